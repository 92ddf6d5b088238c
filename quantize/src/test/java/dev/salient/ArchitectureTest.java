package dev.salient;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The import table of the design, for the make half. */
class ArchitectureTest {
    private static final String ROOT = "dev.salient";

    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages(ROOT);

    /** Each package, with the packages of ours that it may import beside itself. */
    private static final Map<String, List<String>> MAY_IMPORT = Map.of(
            "method", List.of(),
            "torch", List.of("tensor", "packed", "model"),
            "calibration", List.of("tensor", "torch", "packed", "model"),
            "saliency", List.of("tensor", "torch", "calibration", "packed", "model"),
            "fakequant", List.of("tensor", "torch", "method", "packed", "model"),
            "quantizer",
                    List.of("tensor", "torch", "calibration", "saliency", "fakequant", "method", "packed", "model"),
            "tune", List.of("tensor", "torch", "calibration", "fakequant", "quantizer", "method", "packed", "model"),
            "train", List.of("tensor", "torch", "corpus", "packed", "model", "tokenizer", "format", "generate"));

    static Stream<String> packages() {
        return MAY_IMPORT.keySet().stream().sorted();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("packages")
    void packageImportsOnlyWhatTheTableAllows(String name) {
        String[] allowed = Stream.concat(Stream.of(name), MAY_IMPORT.getOrDefault(name, List.of()).stream())
                .map(part -> ROOT + "." + part + "..")
                .toArray(String[]::new);
        noClasses()
                .that()
                .resideInAPackage(ROOT + "." + name + "..")
                .should()
                .dependOnClassesThat(resideInAPackage(ROOT + "..").and(resideOutsideOfPackages(allowed)))
                .check(CLASSES);
    }

    @Test
    void thePipelineNeitherMeasuresNorReports() {
        noClasses()
                .that()
                .resideInAPackage(ROOT + ".pipeline..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(ROOT + ".measure..", ROOT + ".report..")
                .check(CLASSES);
    }

    @Test
    void onlyKernelsAndFakeQuantizationUseTheVectorApi() {
        noClasses()
                .that()
                .resideOutsideOfPackages(ROOT + ".kernel..", ROOT + ".fakequant..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("jdk.incubator.vector..")
                .check(CLASSES);
    }

    @Test
    void packagesAreFreeOfCycles() {
        slices().matching(ROOT + ".(*)..").should().beFreeOfCycles().check(CLASSES);
        assertThat(CLASSES.size()).isGreaterThan(100);
    }
}
