/** JSON objects whose fields are checked as they are read. */
@NullMarked
package dev.salient.format.json;

import org.jspecify.annotations.NullMarked;
