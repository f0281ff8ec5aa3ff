"""The keys of a #cloud-config, of cloud-init 22.4 to 25: what each holds where that is certain.

From cloudinit/config/schemas/schema-cloud-config-v1.json and the modules' own looks at `cfg`.
"""

import difflib

HELD = {  # by what it holds, in words that `Kind` has; "": it may be several things
    "list": (
        "bootcmd fs_setup mounts packages runcmd ssh_authorized_keys ssh_genkeytypes "
        "ssh_import_id write_files"
    ),
    "mapping": (
        "ansible apt ca-certs ca_certs chef chpasswd disk_setup growpart keyboard landscape lxd "
        "phone_home power_state puppet random_seed rsyslog salt_minion snap ssh_keys swap "
        "yum_repos zypper"
    ),
    "value": (
        "disable_root final_message fqdn hostname locale manage_etc_hosts package_update "
        "package_upgrade password preserve_hostname ssh_pwauth timezone"
    ),
    "": (
        "allow_public_ssh_keys apk_repos apt_mirror apt_mirror_search apt_mirror_search_dns "
        "apt_pipelining apt_preserve_sources_list apt_proxy apt_reboot_if_required apt_sources "
        "apt_update apt_upgrade authkey_hash autoinstall byobu_by_default cloud_config_modules "
        "cloud_final_modules cloud_init_modules create_hostname_file datasource datasource_list "
        "debug def_log_file device_aliases disable_ec2_metadata disable_piwiz disable_root_opts "
        "drivers emit_upstart enable_rpi_connect fan groups grub-dpkg grub_dpkg id launch-index "
        "license locale_configfile log_cfgs logcfg manage-resolv-conf manage_resolv_conf "
        "mcollective merge_how merge_type merge-how merge-type migrate mount_default_fields "
        "no_ssh_fingerprints ntp output package_reboot_if_required prefer_fqdn_over_hostname "
        "reporting resize_rootfs resolv_conf rh_subscription rpi_interfaces rpi_userconf "
        "spacewalk ssh ssh_deletekeys ssh_fp_console_blacklist ssh_key_console_blacklist "
        "ssh_publish_hostkeys ssh_quiet_keygen ssh_svcname syslog_fix_perms system_info "
        "ubuntu_advantage ubuntu_pro unverified_modules updates user users vendor_data version "
        "warnings wireguard yum_repo_dir"
    ),
}
EVERY = {key: kind for kind, listed in HELD.items() for key in listed.split()}
LONGEST = max(map(len, EVERY))


def like(key: str) -> str:
    """The key that was probably meant; "" if none is near."""
    if len(key) > LONGEST + 4:
        return ""
    near = difflib.get_close_matches(key.lower().replace("-", "_"), EVERY, n=1, cutoff=0.8)
    return near[0] if near else ""
