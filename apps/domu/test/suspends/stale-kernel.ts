/*
 * A kernel that keeps handles over a restore on purpose, if words in its memory say so: it publishes an old reference or an old
 * port for its disks, or does not read anew where their back ends are.
 */
import { goto, type Next, PAGE_SIZE, type Routine, type Step, type Text } from '@port-xen/kern';
import { cString, struct, u32, type View } from '@port-xen/layout';
import { shutdownText, type Xenbus, xenbus_data, xenbusText, xsText } from '@port-xen/xenbus';
import { type HuntedKernel, linkKernel } from './hunted-kernel.ts';

export const stale_data = struct('stale_data', {
  /** Published in place of the new ring-ref; 0: none. */
  reference: u32,
  /** Published in place of the new event-channel; 0: none. */
  port: u32,
  /** Where the back ends are is not read anew. */
  keeps_paths: u32,
});

const dataOf = (m: Xenbus): View<typeof stale_data> =>
  stale_data.at(m.cpu.memory, m.cpu.sym('stale_data'));

/** A routine with one of its steps made before by another, which may take its place. */
const before = (
  entry: Text<Xenbus>[string] | undefined,
  name: string,
  // biome-ignore lint/suspicious/noExplicitAny: a step of any routine
  step: (...args: Parameters<Step<Xenbus, any>>) => Next | undefined,
): Routine<Xenbus> => {
  if (entry?.kind !== 'routine') throw new Error(`expected a routine with a step ${name}`);
  const original = entry.steps[name];
  if (original === undefined) throw new Error(`expected a routine with a step ${name}`);
  return {
    ...entry,
    steps: {
      ...entry.steps,
      [name]: (m, l, ...args) => step(m, l, ...args) ?? original(m, l, ...args),
    },
  };
};

/** Writes an old number over a new one in names and values that are about to be published. */
const spoil = (m: Xenbus, nodes: number): undefined => {
  const { reference, port } = dataOf(m);
  let text = '';
  for (let at = nodes; ; ) {
    const name = m.text(at);
    if (name === '') break;
    at += name.length + 1;
    const value = m.text(at);
    at += value.length + 1;
    const old = { 'ring-ref': reference, 'event-channel': port }[name] ?? 0;
    text += `${name}\0${old === 0 ? value : old}\0`;
  }
  m.cpu.memory.write(nodes, cString(text));
};

export const staleKernel = (): HuntedKernel =>
  linkKernel(
    {
      modules: {
        stale: { data: stale_data, align: PAGE_SIZE },
        xenbus: {
          data: xenbus_data,
          text: {
            ...xsText,
            ...xenbusText,
            ...shutdownText,
            xenbus_write_nodes: before(
              xenbusText.xenbus_write_nodes,
              'start',
              (m, _l, _device, nodes) => spoil(m, nodes),
            ),
            xenbus_resume: before(xenbusText.xenbus_resume, 'device', (m, l) => {
              if (dataOf(m).keeps_paths === 0) return undefined;
              l.position = 0;
              return goto('watch');
            }),
          },
        },
      },
    },
    false,
  );
