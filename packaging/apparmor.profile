abi <abi/4.0>,
include <tunables/global>

profile fumehood /usr/bin/fumehood flags=(unconfined) {
  userns,
}
