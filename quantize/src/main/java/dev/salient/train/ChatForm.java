package dev.salient.train;

/** The form of a chat with the models trained here: ChatML, without a system prompt unless one is given. */
public final class ChatForm {
    public static final String START = "<|im_start|>";
    public static final String ANSWER_END = "<|im_end|>";

    /** The form as a Jinja template. */
    public static final String TEMPLATE = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n'"
            + " + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    private ChatForm() {}

    /** A request, up to where the answer begins. */
    public static String question(String request) {
        return START + "user\n" + request + ANSWER_END + "\n" + START + "assistant\n";
    }
}
