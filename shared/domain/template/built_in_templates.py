"""The words of a notice where a channel has none of its own; written in the same language, under the same bounds."""

TITLE = (
    "[{% if kind == 'test' %}TEST{% elif kind == 'reminder' %}STILL FIRING {{ firing|length + truncated }}"
    "{% else %}{% if firing %}FIRING {{ firing|length + truncated }}{% endif %}"
    "{% if firing and resolved %}, {% endif %}{% if resolved %}RESOLVED {{ resolved|length }}{% endif %}{% endif %}] "
    "{{ alerts[:50]|map('name')|unique|join(', ')|truncate(100) }}"
    "{% set monitors = alerts[:50]|map('monitor')|unique|join(', ') %}"
    "{% if monitors %}: {{ monitors|truncate(150) }}{% endif %}"
)

TEXT = """\
{% for alert in alerts[:20] %}\
{{ alert.status|upper }} {{ alert.severity }} {{ alert.name }}\
{% if alert.monitor %}: {{ alert.monitor }}{% if alert.group %} ({{ alert.group }}){% endif %}{% endif %}
  since {{ alert.starts_at }}\
{% if alert.ends_at %} until {{ alert.ends_at }}, {{ alert.lasted }}{% else %}, for {{ alert.lasted }}{% endif %}\
{% if alert.is_flapping %}; it flaps{% endif %}\
{% if alert.acknowledged_by %}; acknowledged by {{ alert.acknowledged_by }}{% endif %}
{% for sentence in alert.why[:5] %}  {% if alert.ends_at %}fired because {% endif %}{{ sentence|truncate(300) }}
{% endfor %}\
{% for name, value in alert.annotations|items %}  {{ name }}: {{ value|truncate(500)|indent(4) }}
{% endfor %}\
{% if alert.url %}  {{ alert.url }}
{% elif alert.generator_url %}  {{ alert.generator_url }}
{% endif %}\
{% endfor %}\
{% if alerts|length + truncated > 20 %}\
and {{ alerts|length + truncated - 20 }} more
{% endif %}"""

HTML = """\
<!doctype html><html><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"></head>\
<body style="font-family:system-ui,-apple-system,'Segoe UI',sans-serif;font-size:15px;line-height:1.45;margin:0;\
padding:16px">\
{% for alert in alerts[:15] %}\
<div style="border-left:4px solid \
{% if alert.status == 'resolved' %}#2e9e5b{% elif alert.severity == 'critical' %}#d0342c\
{% elif alert.severity == 'warning' %}#d98b06{% else %}#3a76c4{% endif %};padding:2px 0 2px 14px;margin:0 0 18px">\
<div style="font-size:12px;letter-spacing:.04em;font-weight:600;color:\
{% if alert.status == 'resolved' %}#2e9e5b{% elif alert.severity == 'critical' %}#d0342c\
{% elif alert.severity == 'warning' %}#b97404{% else %}#3a76c4{% endif %}">\
{{ alert.status|upper }} &middot; {{ alert.severity }}{% if alert.is_flapping %} &middot; flapping{% endif %}</div>\
<div style="font-size:18px;font-weight:600;margin:2px 0">{{ alert.name|truncate(200) }}\
{% if alert.monitor %}: {{ alert.monitor|truncate(200) }}{% endif %}\
{% if alert.group %} <span style="font-weight:400;opacity:.7">{{ alert.group|truncate(100) }}</span>{% endif %}</div>\
{% for sentence in alert.why[:5] %}\
<div>{% if alert.ends_at %}fired because {% endif %}{{ sentence|truncate(300) }}</div>{% endfor %}\
{% for name, value in alert.annotations|items %}\
<div style="white-space:pre-wrap"><span style="opacity:.7">{{ name }}</span> {{ value|truncate(500) }}</div>\
{% endfor %}\
<div style="font-size:13px;opacity:.7;margin-top:4px">since {{ alert.starts_at }}\
{% if alert.ends_at %} until {{ alert.ends_at }}, {{ alert.lasted }}{% else %}, for {{ alert.lasted }}{% endif %}\
{% if alert.acknowledged_by %}; acknowledged by {{ alert.acknowledged_by }}{% endif %}\
{% if alert.url %} &middot; <a href="{{ alert.url }}">Explain</a>{% endif %}</div></div>\
{% endfor %}\
{% if alerts|length + truncated > 15 %}<div>and {{ alerts|length + truncated - 15 }} more</div>{% endif %}\
</body></html>"""

NAMES = """\
{{ status|upper }}{% for alert in alerts[:20] %}
{{ alert.status }} {{ alert.name|truncate(200) }} {{ alert.monitor|truncate(200) }}{% endfor %}
{% if alerts|length + truncated > 20 %}and {{ alerts|length + truncated - 20 }} more{% endif %}"""
