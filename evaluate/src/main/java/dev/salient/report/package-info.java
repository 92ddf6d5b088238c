/** Pages for people: what a run did to a model and what that cost, as one HTML file; models beside each other. */
@NullMarked
package dev.salient.report;

import org.jspecify.annotations.NullMarked;
