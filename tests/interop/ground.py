"""What Tempest has to know of a cloud before it begins: found and made by the API itself."""

import configparser
import dataclasses
import secrets
from pathlib import Path

import requests
import tempest
import yaml

REGION, DOMAIN = "RegionOne", "Default"
PROJECT, ADMIN = "home", "admin"
PEOPLE = {  # who Tempest asks for, and Keystone's name of their role
    "primary": "member",
    "alternate": "member",
    "reader": "reader",
    "admin": "admin",
}
PLACES = 2  # of each: so many classes of tests run at a time
BUILD_SECONDS = 120


@dataclasses.dataclass
class Ground:
    """A cloud at `url`, seen by its administrator."""

    url: str
    password: str

    def __post_init__(self):
        self._http = requests.Session()
        self._http.headers["X-Auth-Token"] = self._token()

    def describe(self, directory: Path, *, given: bool) -> None:
        """In `directory` is all that stestr and Tempest read. If `given`, people and projects
        with a network each are there, and named to it; or it makes its own."""
        package = Path(tempest.__file__).parent
        (directory / ".stestr.conf").write_text(
            f"[DEFAULT]\ntest_path={package}/test_discover\ntop_dir={package}\n"
            "group_regex=([^\\.]*\\.)*\n"  # a class is one worker's
        )
        options = self._options(directory)
        if given:
            accounts = directory / "accounts.yaml"
            accounts.write_text(yaml.safe_dump(self._people()))
            options["auth"] |= {
                "use_dynamic_credentials": "false",
                "test_accounts_file": str(accounts),
            }
        parser = configparser.RawConfigParser()
        parser.read_dict(options)
        with open(directory / "tempest.conf", "w") as file:
            parser.write(file)

    def _options(self, directory: Path) -> dict[str, dict[str, str]]:
        flavors = self._get("/compute/v2.1/flavors/detail")["flavors"]
        small, large = sorted(flavors, key=lambda each: (each["ram"], each["disk"]))[:2]
        images = [each["id"] for each in self._get("/image/v2/images?visibility=public")["images"]]
        images += [self._image()] if len(images) == 1 else []
        extensions = self._get("/network/v2.0/extensions")["extensions"]
        return {
            "DEFAULT": {"log_file": str(directory / "tempest.log"), "debug": "true"},
            "oslo_concurrency": {"lock_path": str(directory / "locks")},
            "auth": {
                "use_dynamic_credentials": "true",
                "create_isolated_networks": "false",  # its networks need routers
                "admin_username": ADMIN,
                "admin_password": self.password,
                "admin_project_name": PROJECT,
                "admin_domain_name": DOMAIN,
            },
            "identity": {
                "uri_v3": f"{self.url}/identity/v3",
                "auth_version": "v3",
                "region": REGION,
                "v3_endpoint_type": "public",
                "default_domain_id": "default",
                "user_lockout_failure_attempts": "5",
                "user_lockout_duration": "60",
            },
            "identity-feature-enabled": {
                "application_credentials": "true",
                "security_compliance": "true",
            },
            "compute": {
                "image_ref": images[0],
                "image_ref_alt": images[-1],
                "flavor_ref": small["id"],
                "flavor_ref_alt": large["id"],
                "max_microversion": "latest",
                "build_timeout": str(BUILD_SECONDS),
                "build_interval": "1",
            },
            "compute-feature-enabled": {"resize": "true", "shelve": "false"},
            "image-feature-enabled": {
                "import_image": "false",
                "image_format_enforcement": "false",
            },
            "image": {"container_formats": "bare", "disk_formats": "raw"},  # what is taken here
            "network": {"build_interval": "1"},
            "network-feature-enabled": {
                "api_extensions": ",".join(each["alias"] for each in extensions),
            },
            "service_available": self._available(),
            "validation": {"run_validation": "false"},
        }

    def _available(self) -> dict[str, str]:
        """Which services are there."""
        served = dict.fromkeys(("neutron", "nova", "glance"), True)
        served |= {"cinder": self._serves("volumev3"), "swift": False, "horizon": False}
        return {name: str(each).lower() for name, each in served.items()}

    def _image(self) -> str:
        """Everybody has one more image to start from."""
        wish = {"name": "other", "disk_format": "raw", "container_format": "bare"}
        made = self._post("/image/v2/images", **wish, visibility="public")["id"]
        answer = self._http.put(
            f"{self.url}/image/v2/images/{made}/file",
            data=bytes(2**20),
            headers={"Content-Type": "application/octet-stream"},
        )
        answer.raise_for_status()
        return made

    def _people(self) -> list[dict]:
        """People with a project of their own each, in which there is a network."""
        return [
            self._person(f"tempest-{name}-{number}", role)
            for name, role in PEOPLE.items()
            for number in range(PLACES)
        ]

    def _person(self, name: str, role: str) -> dict:
        password = secrets.token_urlsafe()
        roles = {each["name"]: each["id"] for each in self._get("/identity/v3/roles")["roles"]}
        project = self._post("/identity/v3/projects", project={"name": name})["project"]["id"]
        wish = {"name": name, "password": password}
        user = self._post("/identity/v3/users", user=wish)["user"]["id"]
        place = f"/identity/v3/projects/{project}/users/{user}/roles/{roles[role]}"
        self._http.put(f"{self.url}{place}").raise_for_status()
        network = self._post(
            "/network/v2.0/networks", network={"name": name, "project_id": project}
        )
        subnet = {"network_id": network["network"]["id"], "cidr": "10.99.0.0/24", "ip_version": 4}
        self._post("/network/v2.0/subnets", subnet=subnet | {"project_id": project})
        return {
            "username": name,
            "password": password,
            "project_name": name,
            "domain_name": DOMAIN,
            "roles": [role],
            "types": ["admin"] if role == "admin" else [],
            "resources": {"network": name},
        }

    def _token(self) -> str:
        domain = {"name": DOMAIN}
        user = {"name": ADMIN, "domain": domain, "password": self.password}
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": PROJECT, "domain": domain}}
        answer = self._http.post(
            f"{self.url}/identity/v3/auth/tokens",
            json={"auth": {"identity": identity, "scope": scope}},
        )
        answer.raise_for_status()
        self._catalog = answer.json()["token"]["catalog"]
        return answer.headers["X-Subject-Token"]

    def _serves(self, kind: str) -> bool:
        return any(each["type"] == kind for each in self._catalog)

    def _get(self, path: str) -> dict:
        answer = self._http.get(f"{self.url}{path}")
        answer.raise_for_status()
        return answer.json()

    def _post(self, path: str, **body) -> dict:
        answer = self._http.post(f"{self.url}{path}", json=body)
        if not answer.ok:
            raise SystemExit(f"tempest: {path}: {answer.text}")
        return answer.json()
