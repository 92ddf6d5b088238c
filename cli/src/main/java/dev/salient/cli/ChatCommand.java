package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.generate.Generation;
import dev.salient.generate.Session;
import dev.salient.tokenizer.ChatMessage;
import dev.salient.tokenizer.ChatTemplate;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The command {@code chat}: a conversation, turn by turn, through the model's own template. */
@CommandLine.Command(
        name = "chat",
        header = "Talk with a model.",
        description = {
            "Each line of standard input is a turn, each answer comes as it is written. /reset forgets the conversation,"
                    + " /exit ends it. What looks like a control token in a turn is text."
        })
final class ChatCommand implements Command {
    private static final int DEFAULT_CONTEXT = 4096;

    @Mixin
    private final ModelArgument model = new ModelArgument();

    @Option(names = "--system", paramLabel = "TEXT", description = "What the model is told before the conversation.")
    private @Nullable String system;

    @Option(
            names = "--context",
            paramLabel = "N",
            description = "Tokens of conversation to remember; the oldest turns go first. Default: 4096, or the model's"
                    + " context where that is less.")
    private int context = DEFAULT_CONTEXT;

    @Mixin
    private final SamplingOptions options = new SamplingOptions();

    @Mixin
    private final ThreadsOption threads = new ThreadsOption();

    @Mixin
    private final PrecisionOptions precision = new PrecisionOptions();

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException {
        int threadCount = threads.threads();
        options.check();
        try (WarmModel warm = WarmModel.open(model.path(), threadCount, precision.precision())) {
            Checkpoint checkpoint = warm.checkpoint();
            Tokenizer tokenizer = checkpoint.expectTokenizer();
            ChatTemplate template = checkpoint.expectChatTemplate();
            int most = checkpoint.weights().config().contextLength();
            context = context == DEFAULT_CONTEXT ? Math.min(context, most) : context;
            require(context > 0 && context <= most, "--context: got %d, want 1 to %d", context, most);
            try (Session session = new Session(warm.model(), tokenizer, context)) {
                new Conversation(console, checkpoint, session, template).run();
            }
        }
    }

    /** One conversation under way. */
    private final class Conversation {
        private final Console console;
        private final Checkpoint checkpoint;
        private final Session session;
        private final ChatTemplate template;
        private final List<ChatMessage> opening;
        private final List<ChatMessage> turns = new ArrayList<>();

        Conversation(Console console, Checkpoint checkpoint, Session session, ChatTemplate template) {
            this.console = console;
            this.checkpoint = checkpoint;
            this.session = session;
            this.template = template;
            opening = system == null ? List.of() : List.of(new ChatMessage("system", system));
        }

        void run() throws IOException {
            if (console.interactive()) {
                console.note("%s: /reset forgets the conversation, /exit ends it", checkpoint.source());
            }
            for (String line = next(); line != null; line = next()) {
                if (line.equals("/exit")) {
                    break;
                }
                if (line.equals("/reset")) {
                    turns.clear();
                } else if (!line.isBlank()) {
                    turns.add(new ChatMessage("user", line));
                    answer();
                }
            }
            console.result(json());
        }

        private @Nullable String next() throws IOException {
            String line = console.findInput("> ");
            return line == null ? null : line.strip();
        }

        private void answer() {
            Generation generation = session.generate(
                    prompt(), options.sampling(), options.ending(checkpoint.endTokens()), console::text);
            console.text("\n");
            turns.add(new ChatMessage("assistant", generation.text()));
            if (console.verbose()) {
                console.note(
                        "%d tokens of prompt, %d of them known; %d new ones, ended by %s",
                        generation.promptTokens(),
                        generation.reusedTokens(),
                        generation.ids().size(),
                        GenerateCommand.reason(generation));
            }
        }

        /** The conversation so far, without its oldest turns where it would leave no room for an answer. */
        private int[] prompt() {
            int[] ids = template.encodePrompt(messages());
            int forgotten = 0;
            while (ids.length > context - Math.min(options.maxTokens(), context / 4) && turns.size() > 2) {
                turns.subList(0, 2).clear();
                forgotten += 2;
                ids = template.encodePrompt(messages());
            }
            if (forgotten > 0) {
                console.note("(the oldest %d turns no longer fit the context and are forgotten)", forgotten);
            }
            return ids;
        }

        private List<ChatMessage> messages() {
            List<ChatMessage> messages = new ArrayList<>(opening);
            messages.addAll(turns);
            return messages;
        }

        private ObjectNode json() {
            ObjectNode json = JsonNodeFactory.instance.objectNode();
            ArrayNode list = json.putArray("messages");
            for (ChatMessage message : messages()) {
                list.addObject().put("role", message.role()).put("content", message.content());
            }
            return json;
        }
    }
}
