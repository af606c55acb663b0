"""Why the training does not work, and what to do: judgements of the monitor, explanations, fixes, the diagnosis page.

Judges nothing itself. Fixes go through the session, or are asked of the app as a new run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from trainctl.engine.runs.commands import Verb
from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.health.monitor import Monitor
from trainctl.tui.messages import AlertDue, HealthChanged, LaunchRequested
from trainctl.tui.screens.acts.runs import difference
from trainctl.tui.screens.base import CockpitBase
from trainctl.tui.widgets.health import HealthPanel
from trainctl.tui.words.events import command_words
from trainctl.tui.words.verdict import Severity, fate

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.finding import Finding
    from trainctl.tui.health.fixes import FixPlan
    from trainctl.tui.health.health import Health
    from trainctl.tui.screens.dialogs.choice import Choice


class DiagnoseActions(CockpitBase):
    """Findings: shown when they appear, explained, fixed."""

    judges: ClassVar[bool] = True
    """Whether judgements are shown as they come; otherwise the charts alone show what was found."""
    _monitor: Monitor | None = None
    _said: frozenset[str] = frozenset()
    """Codes of findings that were said."""

    @property
    def health_panel(self) -> HealthPanel:
        """Where the findings are."""
        return cast(HealthPanel, self.panels["health"])

    def on_mount(self) -> None:
        """Begin to judge, once there is something to look at."""
        if not self.judges:
            self.health_panel.show_words("– of a recording findings are marked at their step; o goes back to the run")
        self._monitor = Monitor(self.session.paths, lambda health: self.post_message(HealthChanged(health)))
        self.call_after_refresh(self._monitor.start)

    def on_unmount(self) -> None:
        """Judge no more."""
        if self._monitor is not None:
            self._monitor.stop()

    def on_health_changed(self, message: HealthChanged) -> None:
        """Show a judgement; say what is new in it, once."""
        from trainctl.tui.health.health import found_at_steps

        health, is_first = message.health, self.session.health is None
        view, found = self.session.view, found_at_steps(message.health.findings)
        if found != view.found:
            view.found = found
            self.redraw()
        if not self.judges:
            return
        self.session.health = health
        self.show_health()
        spoken = {str(event.data.get("code")) for event in view.of_kind(EventKind.FINDING)}
        is_news = not (is_first and health.is_over)
        for finding in health.findings:
            if finding.code not in self._said:
                self._say_finding(finding, health, logs=finding.code not in spoken, pops_up=is_news)
        self._said |= {finding.code for finding in health.findings}

    def show_health(self) -> None:
        """Show the newest judgement beside what became of the run; nothing before the first."""
        from trainctl.tui.words.health import health_verdict

        health = self.session.health
        if health is not None:
            self.health_panel.show_health(health, fate(self.session.view, self.log_panel.last_words))
            self.run_header.show_findings(health.findings, health_verdict(health))

    def _say_finding(self, finding: Finding, health: Health, *, logs: bool, pops_up: bool) -> None:
        from trainctl.tui.health.health import SEVERITY

        severity = SEVERITY[finding.severity]
        words = f"{finding.name}: {finding.summary}" if finding.summary else finding.name
        if logs:
            data = {"code": finding.code, "severity": str(severity), "title": words}
            self.log_panel.add([Event(EventKind.FINDING, health.step, time.time(), data)], ())
        if pops_up and severity is not Severity.NOTE and finding.consequence_of is None:
            self.say(f"{severity.symbol} {words} ({finding.code})\n{finding.where}", severity)
            if severity is Severity.ERROR:
                self.post_message(AlertDue(f"{self.session.paths.root.name}: {finding.code} {words}"))

    # --- the page -------------------------------------------------------------------------------------------

    def action_diagnose(self) -> None:
        """Choose what to diagnose, then show the page."""
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen
        from trainctl.tui.screens.jobs.diagnose import DiagnoseScreen, of_configuration, of_records

        paths = self.session.paths
        choices = [Choice("records", "This run's records", "what it recorded so far; about a second")]
        if paths.config.exists() and paths.meta.exists():
            detail = "data, batches, labels, one batch through a copy of the network; up to 30 s"
            choices.append(Choice("configuration", "Preflight of its configuration", detail))

        def open_page(answer: str | None) -> None:
            if answer is not None:
                order = of_records(paths) if answer == "records" else of_configuration(paths)
                self.app.push_screen(DiagnoseScreen(order, self.request.environ), self._fix_found)

        self.app.push_screen(ChoiceScreen("diagnose", choices), open_page)

    def _fix_found(self, finding: Finding | None) -> None:
        if finding is not None:
            self.offer_fix(finding)

    # --- explanations -------------------------------------------------------------------------------------

    def on_health_panel_explanation_asked(self, message: HealthPanel.ExplanationAsked) -> None:
        """Explain a finding, or say what was checked."""
        from trainctl.tui.screens.dialogs.explanation import ExplanationScreen, checks

        health = self.session.health
        if health is None:
            return
        if message.finding is None:
            self.app.push_screen(ExplanationScreen("what was checked", checks(health)))
        else:
            self.explain(message.finding, health.findings)

    def explain(self, finding: Finding, findings: tuple[Finding, ...]) -> None:
        """All there is to say about a finding."""
        from trainctl.tui.screens.dialogs.explanation import FIX, ExplanationScreen, explanation

        def answered(answer: str | None) -> None:
            if answer == FIX:
                self.offer_fix(finding)

        lines = explanation(finding, findings)
        title = f"{finding.code} {finding.name}"
        self.app.push_screen(ExplanationScreen(title, lines, can_fix=bool(finding.fix.set)), answered)

    # --- fixes ----------------------------------------------------------------------------------------------

    def action_fix(self) -> None:
        """Offer the fix of the chosen finding, else of the first that has one."""
        findings = self.session.health.findings if self.session.health else ()
        chosen = self.health_panel.chosen if self.focused is self.health_panel else None
        finding = (
            chosen or next((finding for finding in findings if finding.fix.set), None) or next(iter(findings), None)
        )
        if finding is None:
            self.say("nothing was found that could be fixed")
        else:
            self.offer_fix(finding)

    def offer_fix(self, finding: Finding) -> None:
        """Show what the fix changes, and ask where to apply it."""
        if not finding.fix.set:
            words = finding.fix.text or "the rule that spoke names none"
            self.say(f"no setting fixes {finding.code}: {words}", Severity.WARNING)
        elif self.attempt(self.session.check_may_change):
            self.wait_for(f"working out the fix of {finding.code}", lambda: self._plan_fix(finding))

    def _plan_fix(self, finding: Finding) -> Callable[[], None]:
        """In a thread: the configuration schema takes longer to import than a key may take to be answered."""
        from trainctl.tui.health import fixes

        view = self.session.view
        changes = tuple(view.of_kind(EventKind.COMMAND))
        plan = fixes.plan_fix(finding.fix.set or {}, self.session.paths, view.meta or {}, self.request, changes)
        return partial(self._show_fix, finding, plan)

    def _show_fix(self, finding: Finding, plan: FixPlan) -> None:
        from trainctl.tui.screens.dialogs.choice import ChoiceScreen

        def apply(answer: str | None) -> None:
            if answer:
                self._apply(answer, plan)

        title = f"fix of {finding.code}: {finding.fix.text}" + ("" if plan.commands != [] else " (in force already)")
        self.app.push_screen(ChoiceScreen(title, self._fix_choices(plan), body=difference(plan.changes)), apply)

    def _fix_choices(self, plan: FixPlan) -> list[Choice]:
        from trainctl.tui.screens.dialogs.choice import Choice

        is_over, paths = self.session.view.is_over, self.session.paths
        choices: list[Choice] = []
        words = ", ".join(command_words(verb, args) for verb, args in plan.commands or ())
        asked = set(self.session.view.asked.values())
        if plan.commands and not is_over and asked.isdisjoint(command_words(*command) for command in plan.commands):
            choices.append(Choice("live", f"Send it to the run: {words}", "takes effect between two steps"))
        checkpoints = [("fork", "newest", paths.latest), ("fork best", "best", paths.best)]
        choices += [
            Choice(answer, f"Start a new run with it from this run's {name} checkpoint", "goes on at that step")
            for answer, name, path in checkpoints
            if path.is_file()
        ]
        choices.append(Choice("beside", "Start a new run with it" + ("" if is_over else "; the present one goes on")))
        if not is_over:
            choices.append(Choice("instead", "Stop the present run with a checkpoint, then start the new one"))
        return [*choices, Choice("", "Do nothing")]

    def _apply(self, answer: str, plan: FixPlan) -> None:
        if answer == "live":
            for verb, args in plan.commands or ():
                self.attempt(lambda verb=verb, args=args: self.session.ask(verb, args))
            return
        if answer == "instead" and not self.attempt(lambda: self.session.ask(Verb.STOP)):
            return
        is_fork = answer.startswith("fork")
        request = plan.fork(self.session.paths, best=answer == "fork best") if is_fork else plan.request
        self.post_message(LaunchRequested(request, beside=self.session.paths))
