// Installs the programs of peers.json: `npm run peers`, or with `-- NAME…` some of them.
// Go programs go to ENTREPOT_PEERS (default .peers/), one that is there in its pinned version is left alone.
// Debian packages are installed by apt-get when this runs as root on a system that has it; else it says the command.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const folder = path.resolve(process.env.ENTREPOT_PEERS || path.join(here, '..', '..', '.peers'));
const peers = JSON.parse(readFileSync(path.join(here, 'peers.json'), 'utf8'));

const say = (line) => process.stdout.write(`${line}\n`);
const run = (argv, env = {}) => {
  const done = spawnSync(argv[0], argv.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  });
  return { ok: done.status === 0, text: `${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}` };
};

const onPath = (name) => run(['sh', '-c', 'command -v "$0"', name]).ok;

const isBuilt = (peer) => {
  const file = path.join(folder, peer.name);
  if (!existsSync(file)) return false;
  const said = run(['go', 'version', '-m', file]).text;
  return said.split('\n').some((line) => /^\s+mod\s/.test(line) && line.split('\t').includes(peer.version));
};

const installGo = (peer) => {
  if (isBuilt(peer)) return say(`have   ${peer.name} ${peer.version}`);
  const started = Date.now();
  const env = { GOBIN: folder, CGO_ENABLED: '0', GOFLAGS: '-trimpath' };
  const done = run(['go', 'install', `${peer.module}@${peer.version}`], env);
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  if (done.ok) return say(`built  ${peer.name} ${peer.version} (${seconds} s)`);
  process.exitCode = 1;
  return say(`FAILED ${peer.name} ${peer.version}\n${done.text}`);
};

const installDebian = (wanted) => {
  const missing = [...new Set(wanted.filter((peer) => !onPath(peer.name)).map((peer) => peer.package))];
  if (missing.length === 0) return say(`have   ${wanted.map((peer) => peer.name).join(', ')}`);
  const command = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  if (!onPath('apt-get') || process.getuid() !== 0) {
    process.exitCode = 1;
    return say(`MISSING, install them as root: ${command.join(' ')}`);
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const updated = run(['apt-get', 'update', '-q'], env);
  const done = updated.ok ? run(command, env) : updated;
  if (done.ok) return say(`added  ${missing.join(', ')}`);
  process.exitCode = 1;
  return say(`FAILED ${command.join(' ')}\n${done.text}`);
};

const names = process.argv.slice(2);
const wanted = (list) => list.filter((peer) => names.length === 0 || names.includes(peer.name));
mkdirSync(folder, { recursive: true });
const debian = wanted(peers.debian);
if (debian.length > 0) installDebian(debian);
const go = wanted(peers.go);
if (go.length > 0 && !onPath('go')) {
  process.exitCode = 1;
  say('MISSING: Go, which builds the others (https://go.dev/dl/)');
} else for (const peer of go) installGo(peer);
