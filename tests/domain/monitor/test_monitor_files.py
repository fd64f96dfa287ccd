from datetime import timedelta

import pytest

from shared.domain.monitor.monitor_files import MonitorFileError, WrittenMonitor, check_names, read_monitors

WHOLE = """
defaults:
  interval: 30s
  labels: {team: web, stage: live}
  target: {timeout: 5s}
monitors:
  - name: shop
    target: {kind: http, url: "${SHOP}/health"}
    conditions: ["[STATUS] == 200"]
groups:
  night:
    defaults: {cron: "0 3 * * *", timezone: Europe/Berlin, labels: {team: data}}
    monitors:
      - name: import
        target: {kind: file, path: /var/log/import.log}
      - name: often
        interval: 1h30m
        target: {kind: http, url: "http://often.example/"}
"""


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(MonitorFileError) as caught:
        read_monitors("m.yaml", text, {})
    return [str(mistake) for mistake in caught.value.mistakes]


def test_defaults_reach_every_monitor_and_the_nearest_win() -> None:
    """Labels and targets are put together; a nearer kind of schedule takes the place of the other kind."""
    shop, night, often = (each.spec for each in read_monitors("m.yaml", WHOLE, {"SHOP": "http://shop.example"}))
    assert (shop.group, shop.interval, shop.labels) == ("", timedelta(seconds=30), {"team": "web", "stage": "live"})
    assert shop.target.kind == "http"
    assert (shop.target.url, shop.target.timeout) == ("http://shop.example/health", timedelta(seconds=5))
    assert shop.target.conditions == ["[STATUS] == 200"]
    assert (night.group, night.cron, night.interval, night.timezone) == ("night", "0 3 * * *", None, "Europe/Berlin")
    assert night.labels == {"team": "data", "stage": "live"}
    assert (often.cron, often.interval) == (None, timedelta(hours=1, minutes=30))


def test_all_mistakes_are_told_with_file_line_and_column() -> None:
    """In the order of their lines, those of defaults where the defaults stand."""
    text = """defaults: {labels: {team: 5}}
monitors:
  - name: a
    target: {kind: http, url: "http://x/"}
    conditions: ["[STATUS] == 200", "[STATUS] = 200"]
  - name: b
    target: {kind: htp, url: "http://x/"}
  - nam: c
  - name: d
    interval: 10ms
    target: {url: "http://x/"}
"""
    assert mistakes_of(text) == [
        "m.yaml:1:27: labels.team: this has to be text; write it in quotes",
        "m.yaml:5:37: target.conditions: condition 2, character 10: one of == != <= >= < > is missing here",
        "m.yaml:7:13: target: the kind of a target is http, database, file or heartbeat",
        "m.yaml:8:5: name: this has to be given",
        "m.yaml:8:5: target: this has to be given",
        "m.yaml:8:10: nam: there is no such field",
        "m.yaml:10:15: interval: Input should be greater than or equal to 1s",
        "m.yaml:11:13: target: a target needs its kind: http, database, file or heartbeat",
    ]


def test_a_number_beyond_64_bits_is_a_mistake_like_others() -> None:
    """YAML holds any number."""
    text = f'monitors: [{{name: a, confirmations: {10**30}, target: {{kind: http, url: "http://x/"}}}}]'
    (mistake,) = mistakes_of(text)
    assert mistake.startswith("m.yaml:1:37: confirmations: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("monitor: []", 'm.yaml:1:10: "monitor" is not known here; there are defaults, groups, monitors'),
        ("monitors: {a: 1}", "m.yaml:1:11: here belongs a list of monitors, each begun by a dash"),
        ("[]", "m.yaml:1:1: here belong keys with values"),
        ("groups: {web: {name: x}}", 'm.yaml:1:22: "name" is not known here; there are defaults, monitors'),
        ("defaults: {name: x}", 'm.yaml:1:18: "name" is not known here; there are conditions, confirm_interval, '),
    ],
)
def test_a_file_of_the_wrong_shape_is_refused(text: str, message: str) -> None:
    """With what belongs there."""
    assert mistakes_of(text)[0].startswith(message)


def test_one_mistake_among_ten_thousand_lines_is_found() -> None:
    """It is the only one told."""
    monitor = '  - name: m{0}\n    target: {{kind: http, url: "http://x/{0}"}}\n'
    lines = ("monitors:\n" + "".join(monitor.format(number) for number in range(5000))).splitlines()
    lines[7654] = lines[7654].replace("url", "urk")
    told = mistakes_of("\n".join(lines))
    assert told == [
        "m.yaml:7655:13: target.url: this has to be given",
        "m.yaml:7655:31: target.urk: there is no such field",
    ]


def test_an_empty_file_is_refused() -> None:
    """It may have been cut off, and all monitors of its owner would be deleted; none are wanted by saying so."""
    assert mistakes_of("# nothing yet\n") == [
        "m.yaml:1:1: the file is empty; write `monitors: []` where there are to be none"
    ]
    assert read_monitors("m.yaml", "monitors: []\n", {}) == []


def test_two_monitors_of_one_name_are_refused_across_files() -> None:
    """The later one, with where the first one stands."""
    text = 'monitors:\n  - name: a\n    target: {kind: http, url: "http://x/"}\n'
    both: list[WrittenMonitor] = [*read_monitors("a.yaml", text, {}), *read_monitors("b.yaml", text, {})]
    with pytest.raises(MonitorFileError, match=r'b.yaml:2:5: there is a monitor "a" .* at a.yaml:2'):
        check_names(both)
