package dev.salient.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TeamTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5})
    void everyItemIsDoneOnceByAMemberOfTheTeam(int size) {
        try (Team team = new Team(size)) {
            for (int round = 0; round < 3000; round++) {
                AtomicIntegerArray done = new AtomicIntegerArray(1 + round % 7);
                team.run(done.length(), (item, member) -> {
                    assertThat(member).isBetween(0, size - 1);
                    done.incrementAndGet(item);
                });
                for (int i = 0; i < done.length(); i++) {
                    assertThat(done.get(i)).isEqualTo(1);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void failureOfAnItemReachesTheCallerAndTheTeamGoesOn(int size) {
        try (Team team = new Team(size)) {
            assertThatThrownBy(() -> team.run(9, (item, member) -> {
                        if (item == 4) {
                            throw new IllegalArgumentException("item 4");
                        }
                    }))
                    .hasStackTraceContaining("java.lang.IllegalArgumentException: item 4");
            AtomicIntegerArray done = new AtomicIntegerArray(1);
            team.run(9, (item, member) -> done.incrementAndGet(0));
            assertThat(done.get(0)).isEqualTo(9);
        }
    }

    @Test
    void teamOfNobodyIsRefused() {
        assertThatThrownBy(() -> new Team(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("threads: got 0, want at least 1");
    }
}
