package dev.salient.cli;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 of bytes that come in parts. */
final class Sha256 {
    private final MessageDigest digest;

    Sha256() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    /** Takes the next part. */
    Sha256 with(byte[] part) {
        digest.update(part);
        return this;
    }

    /** 64 hexadecimal digits; the object starts anew. */
    String hex() {
        return HexFormat.of().formatHex(digest.digest());
    }
}
