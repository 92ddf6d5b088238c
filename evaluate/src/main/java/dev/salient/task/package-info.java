/** Zero-shot tasks: files of questions, and the prompts that lm-evaluation-harness makes of them. */
@NullMarked
package dev.salient.task;

import org.jspecify.annotations.NullMarked;
