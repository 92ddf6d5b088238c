package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class StoryPromptsTest {
    private final StoryPrompts prompts = StoryPrompts.standard();

    @Test
    void everyPromptIsFilledAndMostAreDifferent() {
        Set<StoryPrompts.Prompt> different = new HashSet<>();
        for (int number = 0; number < 2000; number++) {
            StoryPrompts.Prompt prompt = prompts.prompt(1, number);
            assertThat(prompt.request() + prompt.opening())
                    .doesNotContain("{", "}", "|", "  ")
                    .doesNotContainPattern("\\ba [aeiou]");
            different.add(prompt);
        }
        assertThat(different).hasSizeGreaterThan(1900);
    }

    @Test
    void aPromptFollowsFromSeedAndNumber() {
        assertThat(prompts.prompt(7, 3)).isEqualTo(prompts.prompt(7, 3)).isNotEqualTo(prompts.prompt(8, 3));
    }

    @Test
    void aListThatIsNotThereIsRefused() {
        assertThatThrownBy(() -> prompts.list("weapon"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("story words: got no list weapon, want one of [");
    }

    @Test
    void aRequestNamesWhatTheStoryNamesMostOften() {
        for (int seed = 0; seed < 50; seed++) {
            assertThat(StoryRequest.of("An owl met a cat. The owl said hello to the owl in the tree.", seed))
                    .matches(".*\\ban owl\\b.*|.*\\bstory\\b[^a]*");
            assertThat(StoryRequest.of("There was a girl named Mia. Mia and Mia.", seed))
                    .doesNotContain("{");
        }
        assertThat(StoryRequest.of("There was somebody called Mia.", 2)).contains("Mia");
    }

    @Test
    void examplesAreRequestsWithStories() {
        assertThat(StoryExamples.standard()).hasSize(2).allSatisfy(example -> {
            assertThat(example.request()).endsWith(".").doesNotContain("\n");
            assertThat(new StoryFilter(40, 300).keeps(example.story())).isTrue();
        });
        assertThat(ChatForm.examples())
                .startsWith("<|im_start|>user\nTell a short story")
                .endsWith("he was very happy.<|im_end|>\n");
    }
}
