package dev.salient.cli;

import com.google.errorprone.annotations.FormatMethod;
import java.time.Duration;
import java.util.Locale;

/** Quantities as people read them. */
public final class Words {
    private Words() {}

    /** {@code 3.2 s}, {@code 4 min 05 s}, {@code 2 h 10 min}. */
    public static String duration(Duration duration) {
        long seconds = Math.round(duration.toMillis() / 1000.0);
        if (duration.toMillis() < 9950) {
            return number("%.1f s", duration.toMillis() / 1000.0);
        }
        if (seconds < 60) {
            return number("%d s", seconds);
        }
        if (seconds < 3600) {
            return number("%d min %02d s", seconds / 60, seconds % 60);
        }
        return number("%d h %02d min", seconds / 3600, seconds / 60 % 60);
    }

    /** {@code 93 bytes}, {@code 1.2 MB}: powers of 1000. */
    public static String bytes(long bytes) {
        if (bytes < 1000) {
            return bytes + " bytes";
        }
        double value = bytes;
        int unit = -1;
        while (value >= 999.95 && unit < 3) {
            value /= 1000;
            unit++;
        }
        return number("%.1f %sB", value, "kMGT".charAt(unit));
    }

    /** {@code 134,515,008}. */
    public static String count(long count) {
        return number("%,d", count);
    }

    @FormatMethod
    private static String number(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
