import pytest


@pytest.fixture(scope="module")
def parse(module):
    return module("training/hyperparameters.py").parse


def test_what_is_not_given_has_its_default(parse) -> None:
    parameters = parse([])

    assert (parameters.epochs, parameters.save_steps, parameters.fp16, parameters.learning_rate) == (3, 50, False, None)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("True", True), ("false", False), ("False", False)])
def test_booleans_are_explicit(parse, text: str, value: bool) -> None:
    assert parse(["--fp16", text]).fp16 is value


def test_values_may_be_spelled_as_the_sdk_does(parse) -> None:
    parameters = parse(["--train-batch-size", "16", "--epochs", "0.5", "--labels", "bad, good", "--seed=7"])

    assert (parameters.train_batch_size, parameters.epochs, parameters.seed) == (16, 0.5, 7)
    assert parameters.labels == ("bad", "good")


def test_all_problems_are_told_at_once(parse) -> None:
    with pytest.raises(SystemExit) as raised:
        parse(["--fp16", "yes", "--epochs", "0", "--save_steps", "2.5", "--learnign_rate", "1"])

    said = str(raised.value)
    assert "hyperparameter fp16 is 'yes'; allowed: true or false" in said
    assert "hyperparameter epochs is '0'; allowed: a number above 0" in said
    assert "hyperparameter save_steps is '2.5'; allowed: a whole number from 1" in said
    assert "unknown hyperparameter 'learnign_rate'; known: epochs," in said


@pytest.mark.parametrize("arguments", [["--fp16"], ["--heads", "3"], ["--save_total_limit", "1"], ["--seed", "nan"]])
def test_what_makes_no_sense_is_refused(parse, arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments)
