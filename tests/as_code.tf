# instances
resource "openstack_compute_instance_v2" "web" {
  count           = 3
  name            = "web-${count.index + 1}"
  image_id        = "00000000-0000-4000-8000-000000000002"
  flavor_id       = "00000000-0000-4000-8000-000000000001"
  key_pair        = "laptop"
  security_groups = ["default", "web"]
  user_data       = "#cloud-config\npackages: [nginx]\n"

  network {
    uuid = "00000000-0000-4000-8000-000000000003"
  }
}

# networks
resource "openstack_networking_network_v2" "lan" {
  name = "lan"
}

resource "openstack_networking_subnet_v2" "lan" {
  name       = "lan"
  network_id = openstack_networking_network_v2.lan.id
  cidr       = "10.7.0.0/24"
}

# key_pairs
resource "openstack_compute_keypair_v2" "laptop" {
  name       = "laptop"
  public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4P4c8tA3rD9m7m7v2Q0oTq2B9c6y3v1n8m5x7l2kQe alice@laptop"
}

# application_credentials
resource "openstack_identity_application_credential_v3" "ci" {
  name  = "ci"
  roles = ["member"]
}

