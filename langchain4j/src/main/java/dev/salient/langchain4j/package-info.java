/** Models that Salient runs, as LangChain4j's chat models. */
@NullMarked
package dev.salient.langchain4j;

import org.jspecify.annotations.NullMarked;
