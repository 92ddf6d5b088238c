package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StoryFilterTest {
    private static final String STORY = "Tom had a red boat. He took it to the lake. \"Can I play too?\" asked a duck."
            + " Tom smiled and said yes. They played until the sun went down.";

    private final StoryFilter filter = new StoryFilter(10, 60);

    @Test
    void aStoryIsKeptOnce() {
        assertThat(filter.keeps(STORY)).isTrue();
        assertThat(filter.keeps(STORY)).isFalse();
        assertThat(filter.keeps(STORY.replace("Tom", "TOM"))).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "Too short to be one.",
                "Tom had a red boat. He took it to the lake and then he went home and slept and",
                "Tom had a red boat. He took it to the lake. \"Can I play too? asked a duck. Tom smiled and said yes.",
                "Tom had a red boat. He took it to the lake. # A heading. Tom smiled and said yes and went home.",
                "Tom had a red boat. As an AI I can not play at the lake. Tom smiled and said yes and went home.",
                "He went to the big lake. He was happy. He went to the big lake. He went to the big lake. He was sad.",
                "He put it down and he put it down and he put it down and he put it down and he put it down."
            })
    void whatIsNoStoryIsThrownAway(String text) {
        assertThat(filter.keeps(text)).isFalse();
    }

    @Test
    void aStoryThatIsTooLongIsThrownAway() {
        assertThat(new StoryFilter(10, 20).keeps(STORY)).isFalse();
    }

    @Test
    void aStoryThatCirclesIsToldUntilItDoes() {
        String circling = " He walked along the river. He walked along the river. He walked along the river. The end.";
        assertThat(StoryFilter.beginning(STORY + circling)).isEqualTo(STORY + " He walked along the river.");
        assertThat(StoryFilter.beginning(STORY + " He saw a new new boat. He left."))
                .isEqualTo(STORY);
    }

    @Test
    void aStoryWithoutAnEndIsToldToItsLastWholeSentence() {
        assertThat(StoryFilter.beginning(STORY)).isEqualTo(STORY);
        assertThat(StoryFilter.beginning(STORY + " Then he went")).isEqualTo(STORY);
        assertThat(StoryFilter.beginning(STORY + " Tom said: \"I am hungry. We"))
                .isEqualTo(STORY);
        assertThat(StoryFilter.beginning("Then he went")).isEmpty();
    }

    @Test
    void punctuationBecomesThatOfAKeyboard() {
        assertThat(StoryFilter.plain(" \u201cIt\u2019s mine\u201d\u2014he  said\u2026 \n\n Then  \nnight. "))
                .isEqualTo("\"It's mine\" - he said...\nThen\nnight.");
    }
}
