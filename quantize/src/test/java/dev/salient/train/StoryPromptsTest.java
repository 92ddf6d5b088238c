package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.List;
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
    void aRequestNamesWhatTheStoryNamesMostOftenOrNothing() {
        List<String> open = prompts.list("chatopen");
        int named = 0;
        for (int seed = 0; seed < 200; seed++) {
            String ofOwl = StoryRequest.of("An owl met a cat. The owl said hello to the owl in the tree.", seed);
            String ofMia = StoryRequest.of("There was somebody called Mia. She sang.", seed);
            assertThat(open.contains(ofOwl) || ofOwl.contains("about an owl"))
                    .as(ofOwl)
                    .isTrue();
            assertThat(open.contains(ofMia) || ofMia.contains("about Mia"))
                    .as(ofMia)
                    .isTrue();
            named += open.contains(ofOwl) ? 0 : 1;
            assertThat(open).contains(StoryRequest.of("She sang all day.", seed));
        }
        assertThat(named).isBetween(150, 199);
    }
}
