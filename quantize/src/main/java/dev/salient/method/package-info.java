/** What to do to a model, as data: what a run's manifest stores. */
@NullMarked
package dev.salient.method;

import org.jspecify.annotations.NullMarked;
