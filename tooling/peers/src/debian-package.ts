/*
 * Real programs that judge ours come from Debian. A test that needs one names the package and a file of it:
 * when the file is missing the package is installed, if we are root, and otherwise the test fails with a
 * sentence that says what to install. It never passes for want of a judge.
 *
 * Test runs of several packages may come here at once: a lock lets one install and the others look again.
 * An installation without an update comes first, because most machines already have package lists.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const INSTALL = `
exec 9> "$3"
flock 9
test -e "$2" && exit 0
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$1"; }
update() { apt-get update -qq -o DPkg::Lock::Timeout=300; }
install "$1" && exit 0
update || { sleep 20; update; }
install "$1"
`;

/**
 * Sees to it that `file` of the Debian package `name` is there.
 *
 * @param file an absolute path that the package installs
 * @returns `file`
 * @throws Error a sentence, when it is missing and cannot be installed
 */
export const debianPackage = (name: string, file: string): string => {
  if (existsSync(file)) return file;
  const command = `apt-get install --no-install-recommends ${name}`;
  if (process.getuid?.() !== 0) {
    throw new Error(
      `expected ${file} of the Debian package ${name}, found none, and only root can install it: run ${command}`,
    );
  }
  const lock = join(tmpdir(), 'port-xen-peers.lock');
  const run = spawnSync('sh', ['-c', INSTALL, 'install', name, file, lock], { encoding: 'utf8' });
  if (!existsSync(file)) {
    throw new Error(
      `expected ${command} to install ${file}, found it missing still: ${run.error?.message ?? run.stderr.trim()}`,
    );
  }
  return file;
};
