/** A model of any family: its sizes, its weights, its forward pass. */
@NullMarked
package dev.salient.model;

import org.jspecify.annotations.NullMarked;
