"""A configuration with many real servers: farm.py SERVERS PER_SERVICE. About 7.6 lines for each server."""

import sys

servers, per_service = int(sys.argv[1]), int(sys.argv[2])
CHECKS = [
    ["TCP_CHECK {", "    connect_port 80", "    connect_timeout 3", "}"],
    ["TCP_CHECK {", "    connect_timeout 2", "}"],
    ["HTTP_GET {", "    url {", "        path /health", "        status_code 200", "    }", "    connect_timeout 3", "}"],
]
out = ["! made by tests/lab/farm.py", "global_defs {", "    router_id farm", "}", ""]
for number in range(servers):
    service, place = divmod(number, per_service)
    if place == 0:
        out += [
            f"virtual_server 10.{service // 62500}.{service // 250 % 250}.{service % 250 + 1} 80 {{",
            "    delay_loop 10",
            "    lb_algo wrr",
            "    lb_kind NAT",
            "    protocol TCP",
        ]
    out += [
        f"    real_server 172.{16 + number // 62500}.{number // 250 % 250}.{number % 250 + 1} 80 {{",
        f"        weight {1 + number % 3}",
    ]
    out += ["        " + line for line in CHECKS[(number % 4) % 3]]
    out.append("    }")
    if place == per_service - 1 or number == servers - 1:
        out += ["}", ""]
print("\n".join(out))
