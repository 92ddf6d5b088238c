package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class WordsTest {
    @Test
    void durationsAreReadable() {
        assertThat(Words.duration(Duration.ofMillis(3249))).isEqualTo("3.2 s");
        assertThat(Words.duration(Duration.ofMillis(9960))).isEqualTo("10 s");
        assertThat(Words.duration(Duration.ofMillis(59_600))).isEqualTo("1 min 00 s");
        assertThat(Words.duration(Duration.ofSeconds(245))).isEqualTo("4 min 05 s");
        assertThat(Words.duration(Duration.ofMinutes(130))).isEqualTo("2 h 10 min");
    }

    @Test
    void bytesAreReadable() {
        assertThat(Words.bytes(999)).isEqualTo("999 bytes");
        assertThat(Words.bytes(1000)).isEqualTo("1.0 kB");
        assertThat(Words.bytes(98_353_120)).isEqualTo("98.4 MB");
        assertThat(Words.bytes(999_960)).isEqualTo("1.0 MB");
        assertThat(Words.bytes(7_000_000_000_000L)).isEqualTo("7.0 TB");
    }

    @Test
    void countsHaveSeparators() {
        assertThat(Words.count(134_515_008)).isEqualTo("134,515,008");
    }
}
