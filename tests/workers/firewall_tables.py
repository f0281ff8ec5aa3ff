"""The tables of a filter with one port, as nft(8) is given them."""

BRIDGE_ELEMENTS = """\
table bridge portico {
    set macs {
        type ifname . ether_addr
        elements = {
            "ptap11111111aaa" . fa:16:3e:00:00:01
        }
    }
    set addresses {
        type ifname . ether_addr . ipv4_addr
        elements = {
            "ptap11111111aaa" . fa:16:3e:00:00:01 . 10.0.0.11
        }
    }
    set chaddrs {
        typeof iifname . @th,288,48
        elements = {
            "ptap11111111aaa" . 0xfa163e000001
        }
    }
    map numbers {
        type ifname : mark
        elements = {
            "ptap11111111aaa" : 7
        }
    }
"""
ZONES_OF_ONE = """\
    map zones {
        typeof iifname : ct zone
        elements = {
            "pbr70000" : 4465
        }
    }
"""
PROJECTS_AND_COUNTS = """\
    map projects {
        type mark : mark
        elements = {
            7 : 2375025107
        }
    }
    set flows_of_ports_8192 {
        type mark; size 65535; flags dynamic;
    }
    set flows_of_projects_32768 {
        type mark; size 65535; flags dynamic;
    }
    set crowded_ports {
        type mark; size 65535; flags dynamic,timeout; timeout 10m;
    }
    set crowded_projects {
        type mark; size 65535; flags dynamic,timeout; timeout 10m;
    }
    chain begun {
        add @flows_of_ports_8192 { meta mark ct count over 8192 } goto crowded
        ct mark set 0
        ct mark set meta mark map @projects
        ct mark 0 goto sealed
        add @flows_of_projects_32768 { ct mark ct count over 32768 } goto crowded_together
        goto sealed
    }
"""
GROUPS = """\
    set members_default {
        type ifname . ipv4_addr
        elements = {
            "pbr70000" . 10.0.0.11,
            "pbr70000" . 10.0.0.12,
            "pbr8" . 10.0.0.11
        }
    }
    chain in_default {
        iifname . ip saddr @members_default goto begun
    }
    chain out_default {
        goto begun
    }
    set members_ssh {
        type ifname . ipv4_addr
    }
    chain in_ssh {
        tcp dport 22 goto begun
    }
    chain out_ssh {
    }
    chain ports_in_e2ec234d99fc7de4 {
        jump in_default
        jump in_ssh
        drop
    }
    chain ports_out_e2ec234d99fc7de4 {
        jump out_default
        jump out_ssh
        drop
    }
    map egress {
        type mark : verdict
        elements = {
            7 : goto ports_out_e2ec234d99fc7de4
        }
    }
    map ingress {
        type mark : verdict
        elements = {
            7 : goto ports_in_e2ec234d99fc7de4
        }
    }
"""
