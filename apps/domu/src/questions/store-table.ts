/*
 * What a domain said to xenstore in two lives, side by side: one line for the nodes of a directory of which it asked, or which it told, the
 * same kind of thing in the same lives.
 */
import type { Said } from './store-talk.ts';

/** What stands before a back end's own nodes; the domid in it is another in each life. */
const BACKEND = /^\/local\/domain\/\d+\/backend\/(\w+)\/\d+\/(\d+)/;
/** What the toolstack asks for, and is answered. */
const REQUESTS = /^(read|write) (control\/shutdown|memory\/target)$/;
/** Types of devices, in the order in which they are attached. */
const DEVICES: readonly string[] = ['vbd/', 'vif/'];
/** Characters of a line of nodes. */
const LINE = 56;

/** A node, and what was said of it in each life: a value that came twice in a row, once. */
interface Node {
  readonly request: string;
  readonly directory: string;
  readonly name: string;
  readonly values: readonly [string[], string[]];
}

/** @returns directory and name */
const split = (path: string): [string, string] => {
  const short = path.replace(BACKEND, '(back end of $1/$2)');
  const at = short.replace(/\(.*\)/, (text) => '-'.repeat(text.length)).lastIndexOf('/');
  return at < 0 ? ['', short] : [short.slice(0, at), short.slice(at + 1)];
};

const nodesOf = (lives: readonly [readonly Said[], readonly Said[]]): Node[] => {
  const nodes = new Map<string, Node>();
  lives.forEach((said, life) => {
    for (const { request, path, value } of said) {
      if (REQUESTS.test(`${request} ${path}`)) continue;
      const [directory, name] = split(path);
      const key = [request, directory, name].join('\0');
      const node = nodes.get(key) ?? { request, directory, name, values: [[], []] };
      nodes.set(key, node);
      const values = node.values[life as 0 | 1];
      const shown = request === 'watch' ? path : value;
      if (values.at(-1) !== shown) values.push(shown);
    }
  });
  return [...nodes.values()];
};

/** Lines: nodes that belong together, as many as fit. */
const linesOf = (nodes: readonly Node[]): Node[][] => {
  const lines = new Map<string, Node[][]>();
  for (const node of nodes) {
    const { request, directory, values } = node;
    const key = [request, directory, values[0].length > 0, values[1].length > 0].join();
    const groups = lines.get(key) ?? [];
    lines.set(key, groups);
    const last = groups.at(-1);
    const length = last?.reduce((sum, { name }) => sum + name.length + 1, node.name.length);
    if (request !== 'watch' && last !== undefined && (length as number) <= LINE) last.push(node);
    else groups.push([node]);
  }
  return [...lines.values()].flat();
};

const valuesOf = (nodes: readonly Node[], life: 0 | 1): string =>
  nodes.map(({ values }) => values[life].join('→')).join(' ');

/** What is no device's comes first, then device by device. */
const rankOf = ([request = '']: readonly string[]): number =>
  DEVICES.findIndex((device) => request.includes(device));

/** Rows: request and directory, nodes, what was said of them at boot, and at the restore. */
export const storeRows = (lives: readonly [readonly Said[], readonly Said[]]): string[][] =>
  linesOf(nodesOf(lives))
    .map((nodes) => [
      `${nodes[0]?.request} ${nodes[0]?.directory}`,
      nodes.map(({ name }) => name).join(' '),
      valuesOf(nodes, 0),
      valuesOf(nodes, 1),
    ])
    .sort((a, b) => rankOf(a) - rankOf(b));
