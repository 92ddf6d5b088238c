package dev.salient.langchain4j;

import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** LangChain4j's parameters of a request, and a seed: with one, the same request gets the same answer. */
public final class SalientChatRequestParameters extends DefaultChatRequestParameters {
    private final @Nullable Long seed;

    private SalientChatRequestParameters(Builder builder) {
        super(builder);
        seed = builder.seed;
    }

    /** The seed of the draws; null: another one for each request. */
    public @Nullable Long seed() {
        return seed;
    }

    /** Parameters, none given yet. */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public SalientChatRequestParameters overrideWith(ChatRequestParameters that) {
        return builder().overrideWith(this).overrideWith(that).build();
    }

    @Override
    public SalientChatRequestParameters defaultedBy(ChatRequestParameters that) {
        return builder().overrideWith(that).overrideWith(this).build();
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return super.equals(other)
                && other instanceof SalientChatRequestParameters parameters
                && Objects.equals(seed, parameters.seed);
    }

    @Override
    public int hashCode() {
        return Objects.hash(super.hashCode(), seed);
    }

    @Override
    public String toString() {
        return super.toString() + " with seed " + seed;
    }

    /** Collects parameters. */
    public static final class Builder extends DefaultChatRequestParameters.Builder<Builder> {
        private @Nullable Long seed;

        private Builder() {}

        /** Of the draws. */
        public Builder seed(@Nullable Long seed) {
            this.seed = seed;
            return this;
        }

        @Override
        public Builder overrideWith(ChatRequestParameters parameters) {
            super.overrideWith(parameters);
            if (parameters instanceof SalientChatRequestParameters ours && ours.seed != null) {
                seed = ours.seed;
            }
            return this;
        }

        @Override
        public SalientChatRequestParameters build() {
            return new SalientChatRequestParameters(this);
        }
    }
}
