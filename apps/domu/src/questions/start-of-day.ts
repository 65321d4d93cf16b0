/*
 * Question 5: which start-of-day structures must be given to the hypervisor again?
 *
 * Two things are looked at: the hypercalls that register something, in each life; and the vCPUs' state and start_info field by field, as they
 * were at the suspend and as they were after the restore, before the guest ran.
 */
import { trap_info } from '@port-xen/abi';
import { KERNTEXTOFF, PAGE_SIZE } from '@port-xen/kern';
import { BytesMemory, ldI64 } from '@port-xen/layout';
import { xengnt_data } from '@port-xen/xengnt';
import { fuller_data } from './fuller-kernel.ts';
import { hostOf } from './host-of.ts';
import { kernelData } from './kernel-data.ts';
import { type Places, REGISTRATIONS, type Registration } from './registrations.ts';
import { STATE_FIELDS, type StateField, TRAP_TABLE } from './start-of-day-fields.ts';
import type { Still } from './still.ts';
import { table } from './table.ts';
import type { Lives } from './two-lives.ts';

/** The frame that a word names, by its number or its machine address; the word itself if it names none. */
const frameIn = (bytes: Uint8Array): number => {
  const word = ldI64(new BytesMemory(bytes), 0);
  return word > 2 ** 32 && word % PAGE_SIZE === 0 ? word / PAGE_SIZE : word;
};

/** The domain's page whose frame a word names; undefined when it names none's. */
const pageIn = ({ memory }: Still, bytes: Uint8Array): number | undefined => {
  const frame = frameIn(bytes);
  return [...memory].find(([, { mfn }]) => mfn === frame)?.[0];
};

const handlersIn = (bytes: Uint8Array): number => {
  const traps = Array.from({ length: bytes.length / trap_info.size }, (_, i) => {
    const at = i * trap_info.size + trap_info.offset.address_;
    return bytes.subarray(at, at + 8);
  });
  return traps.filter((address) => address.some((byte) => byte !== 0)).length;
};

/** A value as a reader wants it: which routine or data of the kernel's it is the address of, which host's frame it names; else itself. */
const show = ({ guest, worlds }: Lives, field: StateField, bytes: Uint8Array): string => {
  if (field === TRAP_TABLE) return `${handlersIn(bytes)} handlers`;
  if (field.kind === 'bytes') return `${bytes.length} bytes`;
  if (field.kind === 'port') return `port ${new BytesMemory(bytes).ld32(0)}`;
  const host = hostOf(worlds, frameIn(bytes));
  if (host !== undefined) return `a frame of host ${host + 1}`;
  if (field.kind === 'ring') return 'a pfn';
  const word = ldI64(new BytesMemory(bytes), 0);
  const { image } = guest.engine;
  if (word >= KERNTEXTOFF && word < image.end) return image.symbolAt(word);
  return word === 0 ? '0' : `0x${word.toString(16)}`;
};

/** What became of a field. */
const verdict = ({ suspended, restored }: Lives, { kind, of }: StateField): string => {
  const before = of(suspended);
  const after = of(restored);
  if (before.every((byte, i) => byte === after[i])) return 'as it was';
  if (kind === 'port') return 'another port';
  const page = kind === 'ring' ? frameIn(before) : pageIn(suspended, before);
  const there = pageIn(restored, after);
  if (page === undefined && there === undefined) return "a page of the new host's Xen";
  return page === there ? 'the same page' : 'another page';
};

const row = (lives: Lives, field: StateField): string[] => [
  field.what,
  field.name,
  show(lives, field, field.of(lives.suspended)),
  show(lives, field, field.of(lives.restored)),
  verdict(lives, field),
];

const roundsOf = ({ guest }: Lives, { memory }: Still): number =>
  fuller_data.at(kernelData(guest, memory, 'fuller', fuller_data.size), 0).rounds;

/** Records of a name: how many, and how many bytes; in the order of the first of each. */
const recordRows = ({ records }: Lives): (string | number)[][] => {
  const sums = new Map<string, { count: number; bytes: number }>();
  for (const { name, length } of records) {
    const sum = sums.get(name) ?? { count: 0, bytes: 0 };
    sums.set(name, { count: sum.count + 1, bytes: sum.bytes + length });
  }
  return [...sums].map(([name, { count, bytes }]) => [name, count, bytes]);
};

/** Where the kernel maps Xen's pages. */
export const placesOf = ({ guest, working }: Lives): Places => {
  const grants = kernelData(guest, working.memory, 'xengnt', xengnt_data.size);
  return {
    sharedInfo: guest.engine.image.data.HYPERVISOR_shared_info as number,
    grantTable: xengnt_data.at(grants, 0).table,
  };
};

/** The answer, as tables. */
export const answerStartOfDay = (lives: Lives): string => {
  const places = placesOf(lives);
  const made = (life: 0 | 1, { matches }: Registration): boolean =>
    lives.hypercalls.some((one) => one.life === life && matches(one, places));
  const calls = REGISTRATIONS.filter((one) => made(0, one) || made(1, one)).map((one) => [
    one.part,
    one.by,
    one.name,
    made(0, one) ? 'yes' : 'no',
    made(1, one) ? 'yes' : 'no',
  ]);
  const [before, after] = [roundsOf(lives, lives.suspended), roundsOf(lives, lives.resumed)];
  return [
    'Hypercalls that register something: in the first life, and in the second until disk and network were served',
    '',
    table(['part of', 'by', 'hypercall', 'at boot', 'at the restore'], calls),
    '',
    'What Xen has of vCPU 0 and of vCPU 1, and what start_info says: at the suspend, and restored, before the guest ran',
    '',
    table(
      ['', 'field', 'suspended', 'restored', ''],
      STATE_FIELDS.map((field) => row(lives, field)),
    ),
    '',
    `vCPU 1 counts how often it has been set going: ${before} at the suspend, ${after} when disk and network were served`,
    '',
    'Records of the save file that was between the two',
    '',
    table(['record', 'how many', 'bytes'], recordRows(lives)),
  ].join('\n');
};
