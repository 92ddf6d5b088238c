package dev.salient.hub;

import static dev.salient.tensor.Preconditions.require;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.regex.Pattern;

/**
 * What a file's content is called: its SHA-256 where the hub stores it as a large file, else git's SHA-1 of it. It is
 * the name of the file's blob in the cache too.
 *
 * @param hex 64 or 40 hexadecimal digits
 */
record BlobId(String hex) {
    private static final Pattern FORM = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");

    BlobId {
        require(isOne(hex), "hash: got %s, want 40 or 64 hexadecimal digits", Plain.text(hex));
    }

    static boolean isOne(String hex) {
        return FORM.matcher(hex).matches();
    }

    private boolean isLarge() {
        return hex.length() == 64;
    }

    String algorithm() {
        return isLarge() ? "SHA-256" : "git's SHA-1";
    }

    /** A digest that yields these digits after a content of this length. */
    MessageDigest newDigest(long bytes) {
        try {
            MessageDigest digest = MessageDigest.getInstance(isLarge() ? "SHA-256" : "SHA-1");
            if (!isLarge()) {
                digest.update(("blob " + bytes + "\0").getBytes(StandardCharsets.US_ASCII));
            }
            return digest;
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-1 and SHA-256", e);
        }
    }
}
