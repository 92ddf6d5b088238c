package dev.salient.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.salient");

    @Test
    void onlyTheProgramPrintsOrExits() {
        assertThat(CLASSES.size()).isGreaterThan(50);
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.salient.cli")
                .should()
                .accessField(System.class, "out")
                .orShould()
                .accessField(System.class, "err")
                .orShould()
                .callMethod(System.class, "exit", int.class)
                .orShould()
                .callMethod(Runtime.class, "exit", int.class)
                .orShould()
                .callMethod(Runtime.class, "halt", int.class)
                .orShould()
                .callMethod(Throwable.class, "printStackTrace")
                .check(CLASSES);
    }

    @Test
    void insideTheProgramOnlyMainExitsAndOnlyStreamsKnowTheStandardOnes() {
        noClasses()
                .that()
                .doNotHaveSimpleName("Main")
                .should()
                .callMethod(System.class, "exit", int.class)
                .check(CLASSES);
        noClasses()
                .that()
                .doNotHaveSimpleName("Streams")
                .should()
                .accessField(System.class, "in")
                .orShould()
                .accessField(System.class, "out")
                .orShould()
                .accessField(System.class, "err")
                .check(CLASSES);
    }

    @Test
    void theProgramDoesNotKnowTheMakeHalf() {
        noClasses()
                .that()
                .resideInAPackage("dev.salient.cli")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.bytedeco..", "dev.salient.cli.make..", "dev.salient.torch..")
                .check(CLASSES);
    }
}
