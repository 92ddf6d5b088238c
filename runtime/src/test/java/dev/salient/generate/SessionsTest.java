package dev.salient.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.model.LanguageModel;
import dev.salient.model.ModelConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SessionsTest {
    private static final ByteTokenizer BYTES = new ByteTokenizer();
    private static final String ANSWER = "0123456789abcdef";

    private final OneAtATime model = new OneAtATime();

    private Generation generate(Sessions sessions, String prompt, Consumer<String> sink) {
        return sessions.generate(BYTES.encode(prompt), Sampling.greedy(), Ending.of(9, List.of(256)), sink);
    }

    @Test
    void textsOfManyThreadsAreEachAsAlone() throws Exception {
        List<Callable<String>> calls = new ArrayList<>();
        List<String> want = new ArrayList<>();
        try (Sessions sessions = new Sessions(model, BYTES, 32, 3);
                ExecutorService threads = Executors.newFixedThreadPool(8)) {
            for (int i = 0; i < 40; i++) {
                int length = 1 + i % 7;
                calls.add(() ->
                        generate(sessions, "x".repeat(length), piece -> {}).text());
                want.add(ANSWER.substring(length, length + 9));
            }
            List<String> got = new ArrayList<>();
            for (Future<String> text : threads.invokeAll(calls)) {
                got.add(text.get());
            }
            assertThat(got).isEqualTo(want);
        }
    }

    @Test
    void promptGoesToTheSessionThatRemembersMostOfIt() {
        try (Sessions sessions = new Sessions(model, BYTES, 32, 2)) {
            assertThat(generate(sessions, "abcd", piece -> {}).reusedTokens()).isZero();
            assertThat(generate(sessions, "axyz", piece -> {}).reusedTokens()).isEqualTo(1);
            assertThat(generate(sessions, "vw", piece -> {}).reusedTokens())
                    .isZero(); // in place of abcd, unused longest
            assertThat(generate(sessions, "axyzw", piece -> {}).reusedTokens()).isEqualTo(4);
            assertThat(generate(sessions, "vwx", piece -> {}).reusedTokens()).isEqualTo(2);
        }
    }

    @Test
    void aSinkThatThrowsEndsItsTextAndNoOther() {
        try (Sessions sessions = new Sessions(model, BYTES, 32, 1)) {
            assertThatThrownBy(() -> generate(sessions, "ab", piece -> {
                        throw new IllegalStateException("reader: gone");
                    }))
                    .hasMessage("reader: gone");
            assertThat(generate(sessions, "ab", piece -> {}).text()).isEqualTo("23456789a");
        }
    }

    @Test
    void closingEndsTheTextUnderWayAndTheOneThatWaits() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        Sessions sessions = new Sessions(model, BYTES, 32, 1);
        FutureTask<Generation> underWay = new FutureTask<>(() -> generate(sessions, "ab", piece -> {
            begun.countDown();
            await(goOn);
        }));
        FutureTask<Generation> waiting = new FutureTask<>(() -> generate(sessions, "ab", piece -> {}));
        Thread.ofPlatform().start(underWay);
        begun.await();
        untilItWaits(Thread.ofPlatform().start(waiting));
        Thread closing = Thread.ofPlatform().start(sessions::close);
        untilItWaits(closing);
        goOn.countDown();
        closing.join();
        for (Future<Generation> ended : List.of(underWay, waiting)) {
            assertThatThrownBy(ended::get)
                    .isInstanceOf(ExecutionException.class)
                    .cause()
                    .isInstanceOf(CancellationException.class)
                    .hasMessage("generation: the sessions are closed");
        }
        sessions.close();
        assertThatThrownBy(() -> generate(sessions, "ab", piece -> {}))
                .isInstanceOf(CancellationException.class)
                .hasMessage("generation: the sessions are closed");
    }

    @Test
    void aSinkThatClosesIsRefusedSinceItWouldWaitForItself() {
        try (Sessions sessions = new Sessions(model, BYTES, 32, 2)) {
            assertThatThrownBy(() -> generate(sessions, "ab", piece -> sessions.close()))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("sessions: got closed by a sink, want it done by another thread");
        }
    }

    @Test
    void anInterruptedThreadDoesNotWait() {
        try (Sessions sessions = new Sessions(model, BYTES, 32, 1)) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> generate(sessions, "ab", piece -> {}))
                    .isInstanceOf(CancellationException.class)
                    .hasMessage("generation: interrupted");
            assertThat(Thread.interrupted()).isTrue();
            assertThat(generate(sessions, "ab", piece -> {}).text()).isEqualTo("23456789a");
        }
    }

    @Test
    void noSessionsAreRefused() {
        assertThatThrownBy(() -> new Sessions(model, BYTES, 32, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("sessions: got 0, want at least 1");
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void untilItWaits(Thread thread) {
        while (thread.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
    }

    /** Answers each position with {@link #ANSWER}'s next letter, and fails where two threads compute at once. */
    private static final class OneAtATime implements LanguageModel {
        private final ScriptedModel scripted = new ScriptedModel(
                BYTES.vocabSize(),
                Arrays.stream(BYTES.encode(ANSWER)).skip(1).boxed().toList());
        private final AtomicBoolean busy = new AtomicBoolean();

        @Override
        public ModelConfig config() {
            return scripted.config();
        }

        @Override
        public KvCache newCache(int capacity) {
            return scripted.newCache(capacity);
        }

        @Override
        public void forward(int[] tokens, KvCache cache, LogitsSink sink) {
            assertThat(busy.compareAndSet(false, true)).isTrue();
            Thread.onSpinWait();
            scripted.forward(tokens, cache, sink);
            busy.set(false);
        }

        @Override
        public float[] forwardLast(int[] tokens, KvCache cache) {
            float[][] last = new float[1][];
            forward(tokens, cache, (position, logits) -> last[0] = logits);
            return last[0];
        }
    }
}
