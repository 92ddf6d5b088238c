package dev.salient.examples;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.generate.Ending;
import dev.salient.generate.Generation;
import dev.salient.generate.Sampling;
import dev.salient.generate.Session;
import dev.salient.model.PackedLanguageModel;
import dev.salient.tokenizer.ChatMessage;
import dev.salient.tokenizer.ChatTemplate;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * A conversation, turn by turn, through the model's own chat template: {@code Chat MODEL}, then a line a turn.
 *
 * <p>The whole conversation is given anew each time; the session reads only what it does not remember.
 */
public final class Chat implements AutoCloseable {
    private static final int CONTEXT = 512;
    private static final int LONGEST_ANSWER = 100;

    private final Checkpoint checkpoint;
    private final PackedLanguageModel model;
    private final ChatTemplate template;
    private final Session session;
    private final List<ChatMessage> messages = new ArrayList<>();

    Chat(Path path) throws IOException {
        checkpoint = Checkpoints.open(path);
        template = checkpoint.expectChatTemplate();
        model = new PackedLanguageModel(checkpoint.weights());
        session = new Session(model, checkpoint.expectTokenizer(), CONTEXT);
    }

    public static void main(String[] args) throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        try (Chat chat = new Chat(Path.of(args[0]))) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                chat.say(line, System.out::print);
                System.out.println();
            }
        }
    }

    /**
     * Takes a turn.
     *
     * @param sink receives the answer as it is written
     */
    Generation say(String text, Consumer<String> sink) {
        messages.add(new ChatMessage("user", text));
        int[] prompt = template.encodePrompt(messages);
        while (prompt.length > CONTEXT - LONGEST_ANSWER && messages.size() > 2) {
            messages.subList(0, 2).clear(); // the oldest question and its answer no longer fit
            prompt = template.encodePrompt(messages);
        }
        Ending ending = Ending.of(LONGEST_ANSWER, checkpoint.endTokens());
        Generation answer = session.generate(prompt, Sampling.of(0.8, 0.95, 1), ending, sink);
        messages.add(new ChatMessage("assistant", answer.text()));
        return answer;
    }

    @Override
    public void close() {
        session.close();
        model.close();
        checkpoint.close();
    }
}
