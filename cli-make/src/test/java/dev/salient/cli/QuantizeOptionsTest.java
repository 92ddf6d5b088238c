package dev.salient.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What {@code quantize} says to options that make no sense, before it opens anything. */
class QuantizeOptionsTest {
    private static String error(String... options) {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Streams streams = new Streams(
                new ByteArrayInputStream(new byte[0]),
                new PrintStream(new ByteArrayOutputStream(), true, UTF_8),
                new PrintStream(err, true, UTF_8),
                Set.of(),
                80);
        String[] arguments = Stream.concat(
                        Stream.of("quantize", "nowhere", "--out", "nowhere-either"), Arrays.stream(options))
                .toArray(String[]::new);
        int status = new Program(streams).run(arguments);
        assertThat(status).isEqualTo(2);
        return err.toString(UTF_8).lines().findFirst().orElse("");
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource(
            delimiter = '|',
            value = {
                "--method  | awq         | --method: got awq, want sapr, apiq, apiq-lw, block-ap, omniquant, aqlm, gsq, gptq, lqer, loftq, hqq or rtn",
                "--weight-rate | -1      | weight rate: got -1.0, want 0 or more",
                "--bits    | 5           | --bits: got 5, want 1, 2, 3 or 4; 1 with --grid binary only",
                "--grid    | nf4         | --grid: got nf4, want signed2, signed4, ternary, binary, affine, q2_k, dual-binary or binary-mos",
                "--group-size | some     | --group-size: got some, want a whole number",
                "--group-size | 8        | --group-size: got 8, want 32, 64, 128, 256 or row",
                "--loss    | huber       | --loss: got huber, want plain, relative, root or pivot",
                "--start   | middle      | --start: got middle, want range or error",
                "--saliency | hessian    | --saliency: got hessian, want fisher, fisher-group, activation, wanda or uniform",
                "--lambda  | 1:squared   | --lambda: got 1:squared, want X, X:absolute or X:normalized",
                "--lambda  | much        | --lambda: got much, want a number",
                "--lambda  | -1          | lambda: got -1.0, want 0 or more",
                "--preserve | both       | --preserve: got both, want before-adapter or after-adapter",
                "--stages  | wpt         | --stages: got wpt, want NAME:EPOCHS, as in wpt:15,opt:5",
                "--stages  | best:3      | --stages: got best, want wpt, mixed or opt",
                "--stages  | opt+huber=1:3 | --stages: got +huber, want +sw or +attention",
                "--stages  | opt+sw:3    | --stages: got +sw, want +NAME=SHARE, as in opt+sw=0.1:5",
                "--stages  | opt+sw=a:3  | --stages sw: got a, want a number",
                "--stages  | opt+sw=0.8+attention=0.8:3 | sw and attention: got 1.6 in all, want at most 1",
                "--stages  | wpt+sw=0.1:3 | stage wpt: got sw or attention, want opt or mixed for them",
                "--preset  | quick       | --preset: got quick, want fast, best or paper",
                "--keep    | 11.up=q5    | --keep: got 11.up=q5, want LINEAR=qBITS, as in 11.up=q8",
                "--samples | 0           | --samples: got 0, want 1 or more",
                "--tokens  | 1           | --tokens: got 1, want 2 or more",
                "--adapter | vera        | --adapter: got vera, want lora or dora",
                "--adapter-start | svd   | --adapter-start: got svd, want zero, loftq or lqer",
                "--held-out | -1         | held-out windows: got -1, want 0 or more",
                "--patience | 1          | patience: got 1 without held-out windows, want some of them",
                "--rank    | -1          | rank: got -1, want 0 or more",
                "--target-bpw | -1       | --target-bpw: got -1.0, want more than 0",
                "--sensitivity | kl      | --sensitivity: got no --target-bpw, want the bits per weight that it helps to spend",
            })
    void anOptionThatMakesNoSenseIsNamedWithWhatWouldDo(String option, String value, String message) {
        assertThat(error(option + "=" + value)).isEqualTo("salient: " + message);
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource(
            delimiter = '|',
            value = {
                "--codebooks     | 5 | codebooks: got 5, want 1 to 4",
                "--codebook-bits | 0 | codebook bits: got 0, want 1 to 16",
                "--codebook-rate | -1 | codebook rate: got -1.0, want 0 or more",
                "--group-size    | 0 | group size: got 0, want 1 or more",
                "--beam          | 0 | beam: got 0, want 1 or more",
                "--target-bpw    | 3 | aqlm: got linears to keep in more bits, or bits to spend on some (--keep, --keep-budget, --target-bpw), want neither: AQLM's format has codebooks of one size for all linears",
            })
    void codebooksOfNoUseAreRefused(String option, String value, String message) {
        assertThat(error("--method=aqlm", option + "=" + value)).isEqualTo("salient: " + message);
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource(
            delimiter = '|',
            value = {
                "--bits       | 2     | --grid binary-mos: got --bits 2, want 1",
                "--group-size | 64    | --grid binary-mos: got --group-size 64, want none: its scales are of rows and columns",
                "--start      | error | --grid binary-mos: got --start error, want none: its scales start from the weights' sizes",
                "--experts    | 0     | --experts: got 0, want 1 to 256",
                "--adapter    | dora  | --grid binary-mos: got --adapter dora, want lora: rows whose scales follow the token have no one length",
                "--rank-budget | 1    | --grid binary-mos: got --rank-budget, want --rank: there is no rounding error to buy ranks by",
                "--target-bpw | 4     | --grid binary-mos: got --target-bpw, want --keep or --keep-budget: there is no rounding error to buy bits by",
                "--method     | rtn   | rtn: got --grid binary-mos, whose router has to be trained, want --method apiq, apiq-lw, sapr, block-ap or omniquant",
                "--method     | gptq  | gptq: got --grid binary-mos, whose router has to be trained, want --method apiq, apiq-lw, sapr, block-ap or omniquant",
                "--method     | lqer  | lqer: got --grid binary-mos, whose router has to be trained, want --method apiq, apiq-lw, sapr, block-ap or omniquant",
            })
    void whatScalesThatFollowTheTokenLackIsRefused(String option, String value, String message) {
        String[] options = option.equals("--method")
                ? new String[] {"--grid=binary-mos", option + "=" + value}
                : new String[] {"--grid=binary-mos", "--method=apiq", option + "=" + value};
        assertThat(error(options)).isEqualTo("salient: " + message);
    }

    @Test
    void expertsAreOfOneGrid() {
        assertThat(error("--experts=4"))
                .isEqualTo("salient: --experts: got 4 with --grid signed2, want --grid binary-mos");
    }

    @Test
    void gridsOfFewLevelsHaveBitsOfTheirOwn() {
        assertThat(error("--grid=dual-binary", "--method=gptq"))
                .isEqualTo(
                        "salient: gptq: got a grid of two numbers a group, want one of a scale a group, or block-ap, apiq,"
                                + " sapr, omniquant or rtn");
        assertThat(error("--grid=q2_k", "--group-size=64"))
                .isEqualTo("salient: --grid q2_k: got --group-size 64, want none: its groups are of 16");
        assertThat(error("--grid=binary", "--bits=2")).isEqualTo("salient: --grid binary: got --bits 2, want 1");
        assertThat(error("--grid=ternary", "--bits=1"))
                .isEqualTo("salient: --grid ternary: got --bits 1, want 2: what its codes are packed in");
    }

    @Test
    void theSignedGridHasTwoBits() {
        assertThat(error("--grid=signed2", "--bits=3"))
                .isEqualTo("salient: --grid signed2: got --bits 3, want 2, or --grid affine");
    }
}
