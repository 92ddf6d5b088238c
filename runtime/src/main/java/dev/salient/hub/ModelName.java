package dev.salient.hub;

import static dev.salient.tensor.Preconditions.require;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A model's name on a hub, as people write it: {@code ORG/NAME} or {@code ORG/NAME@revision}.
 *
 * @param revision a branch, a tag or a commit
 */
public record ModelName(String organization, String name, String revision) {
    /** The branch that is meant where none is named. */
    public static final String MAIN = "main";

    private static final Pattern PART = Pattern.compile("[A-Za-z0-9_]([A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?");
    private static final Pattern FORM = Pattern.compile("([^/@]+)/([^/@]+)(?:@(.+))?");

    public ModelName {
        for (String part : new String[] {organization, name}) {
            // A folder of the cache is named models--ORG--NAME, and no name may leave it.
            require(
                    PART.matcher(part).matches()
                            && !part.contains("--")
                            && !part.contains("..")
                            && !part.endsWith(".git"),
                    "%s/%s: got %s, want letters, digits and single -, _ or . between them",
                    organization,
                    name,
                    Plain.text(part));
        }
        require(
                Plain.isPath(revision),
                "%s/%s: got revision %s, want a branch, a tag or a commit",
                organization,
                name,
                Plain.text(revision));
    }

    /** Whether a text has the form of a name, so that it may be meant as one. */
    public static boolean isOne(String text) {
        try {
            parse(text);
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /** Reads {@code ORG/NAME[@revision]}. */
    public static ModelName parse(String text) {
        Matcher form = FORM.matcher(text);
        require(form.matches(), "%s: got no name of a model, want ORG/NAME or ORG/NAME@revision", Plain.text(text));
        String revision = form.group(3);
        return new ModelName(form.group(1), form.group(2), revision == null ? MAIN : revision);
    }

    /** {@code ORG/NAME}. */
    public String repository() {
        return organization + "/" + name;
    }

    @Override
    public String toString() {
        return revision.equals(MAIN) ? repository() : repository() + "@" + revision;
    }
}
