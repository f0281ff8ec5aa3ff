# The part of #cloud-config that this system understands, as shell commands: hostname,
# ssh_authorized_keys, password, write_files to standard output; runcmd to the file `later`.
# YAML by its usual look only: block style, scalars on one line or after `|`.

# by its parts, since awks differ in what a backslash means to gsub
function quote(text,    parts, number, each, line) {
    number = split(text, parts, "'")
    for (each = 1; each <= number; each++) line = line (each > 1 ? "'\\''" : "") parts[each]
    return "'" line "'"
}

function indent(line) { match(line, /^ */); return RLENGTH }

function plain(text) {
    sub(/^[ \t]+/, "", text)
    if (text ~ /^"([^"\\]|\\.)*"/) {
        sub(/^"/, "", text); sub(/"[ \t]*(#.*)?$/, "", text)
        gsub(/\\"/, "\"", text); gsub(/\\n/, "\n", text); gsub(/\\\\/, "\\", text)
        return text
    }
    if (text ~ /^'/) {
        sub(/^'/, "", text); sub(/'[ \t]*(#.*)?$/, "", text); gsub(/''/, "'", text)
        return text
    }
    sub(/[ \t]+#.*$/, "", text); sub(/[ \t]+$/, "", text)
    return text
}

# [ls, -l, "/tmp"] is a command and its arguments, anything else a line of shell
function command(text,    words, number, each, line) {
    if (text !~ /^\[.*\]$/) return text
    number = split(substr(text, 2, length(text) - 2), words, ",")
    for (each = 1; each <= number; each++) line = line " " quote(plain(words[each]))
    return line
}

function take(value) {
    if (section == "hostname") print "hostname " quote(value)
    else if (section == "password") print "echo " quote("root:" value) " | chpasswd"
    else if (section == "ssh_authorized_keys")
        print "echo " quote(value) " >>/root/.ssh/authorized_keys"
    else if (section == "runcmd") print command(value) >later
    else if (section == "write_files") file[key] = value
}

function end_file() {
    if (!("path" in file)) return
    path = quote(file["path"])
    print "mkdir -p \"$(dirname " path ")\""
    print "printf %s " quote(file["content"]) " >" path
    print "chmod " quote(("permissions" in file) ? file["permissions"] : "0644") " " path
    split("", file)
}

function end_block() { if (in_block) { in_block = 0; take(block) } }

BEGIN { print "#!/bin/sh" >later }

in_block {
    if ($0 ~ /^[ \t]*$/) { block = block "\n"; next }
    if (block_indent < 0) block_indent = indent($0)
    if (indent($0) >= block_indent && block_indent > parent_indent) {
        block = block substr($0, block_indent + 1) "\n"
        next
    }
    end_block()
}

/^[ \t]*(#.*)?$/ { next }

{
    line = $0
    if (line ~ /^[A-Za-z_]+:/) {
        end_file()
        section = line; sub(/:.*/, "", section)
        if (section !~ /^(hostname|password|ssh_authorized_keys|runcmd|write_files)$/)
            print "echo " quote("user data: this system does not understand " section)
        sub(/^[A-Za-z_]+:/, "", line)
    }
    parent_indent = indent(line)
    if (line ~ /^ *- /) {
        if (section == "write_files") end_file()
        sub(/- /, "  ", line)
    }
    if (section == "write_files" && line ~ /^ *[a-z]+:/) {
        parent_indent = indent(line)
        key = line; sub(/:.*/, "", key); sub(/^ */, "", key)
        sub(/^ *[a-z]+:/, "", line)
    }
    if (line ~ /^ *\|[-+]? *$/) { in_block = 1; block = ""; block_indent = -1 }
    else if (line !~ /^ *(#.*)?$/) take(plain(line))
}

END { end_block(); end_file() }
