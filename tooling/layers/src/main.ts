import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkLayers, type PackagePlace } from './check.ts';

const read = (path: string): Record<string, unknown> => JSON.parse(readFileSync(path, 'utf8'));

const packages = globSync('packages/*/package.json').map((path): PackagePlace => {
  const folder = dirname(path);
  const { name, dependencies } = read(path);
  const turbo = join(folder, 'turbo.json');
  const tags = existsSync(turbo) ? (read(turbo).tags as string[]) : [];
  return {
    name: name as string,
    tag: tags[0] ?? '',
    dependencies: Object.keys((dependencies as object | undefined) ?? {}),
    sources: Object.fromEntries(
      globSync(`${folder}/src/**/*.ts`).map((source) => [source, readFileSync(source, 'utf8')]),
    ),
  };
});
const wrong = checkLayers(packages);
for (const sentence of wrong) process.stderr.write(`${sentence}\n`);
process.stdout.write(`${packages.length} packages, ${wrong.length} out of place\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;
