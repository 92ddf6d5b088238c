/** GPTQ-format folders: packed integer weights in safetensors, with a PEFT adapter on top. */
@NullMarked
package dev.salient.format.gptq;

import org.jspecify.annotations.NullMarked;
