"""What Ctrl-C, SIGTERM and SIGHUP do to a run."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from contractive.training.signals import SIGNALS, Interrupted, Signals, heard


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_run_with_the_exit_code_of_a_shell(number):
    with pytest.raises(SystemExit) as left, Signals():
        send(number)
    assert left.value.code == 128 + number


def test_ctrl_c_ends_it_as_python_does():
    with pytest.raises(KeyboardInterrupt), Signals():
        send(signal.SIGINT)


def test_while_it_trains_only_the_second_ends_it_at_once():
    with Signals() as signals:
        signals.patient = True
        send(signal.SIGTERM)
        assert signals.received == signal.SIGTERM
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)


def test_nothing_that_is_being_saved_is_broken_off():
    with Signals() as signals:
        with signals.saving():
            send(signal.SIGHUP)
            send(signal.SIGTERM)
        with pytest.raises(Interrupted):
            signals.leave_if_asked()


def test_once_it_is_saved_a_signal_ends_it_at_once_again():
    with Signals() as signals:
        with signals.saving():
            pass
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)


def fail_on_the_way_out(number):
    with Signals():
        try:
            send(number)
        finally:
            raise RuntimeError("cannot be tidied up")


def test_what_fails_on_the_way_out_does_not_take_its_place():
    with pytest.raises(Interrupted):
        fail_on_the_way_out(signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt):
        fail_on_the_way_out(signal.SIGINT)


def test_what_others_make_of_it_in_code_that_keeps_no_context_does_not_take_its_place():
    def import_half_way():
        with suppress(SystemExit):
            send(signal.SIGTERM)
        # As modules in C do, whatever failed on the way.
        raise ImportError("numpy.core.multiarray failed to import")

    with pytest.raises(Interrupted) as left, Signals():
        import_half_way()
    assert left.value.number == signal.SIGTERM


def test_what_fails_while_a_signal_waits_is_told_as_it_is():
    signals = Signals()
    signals.patient = True
    with pytest.raises(ArithmeticError), signals:  # noqa: PT012 - both belong to it
        send(signal.SIGTERM)
        raise ArithmeticError


def test_without_a_signal_nobody_leaves():
    with Signals() as signals:
        signals.leave_if_asked()


def test_handlers_of_others_are_put_back_and_replace_nothing_meanwhile():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with Signals() as signals:
        signals.patient = True
        signal.signal(signal.SIGTERM, lambda *args: pytest.fail("the other one was asked"))
        signals.listen()
        send(signal.SIGTERM)
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_ctrl_c_is_heard_in_the_background_too_where_a_shell_has_it_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt), Signals():
            send(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals():
            send(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert set(heard()) == {signal.SIGINT, signal.SIGTERM}
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_it_does_nothing():
    errors = []

    def enter():
        try:
            with Signals() as signals:
                signals.listen()
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert errors == []
