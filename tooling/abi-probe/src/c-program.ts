/*
 * The C program that says what a compiler makes of Xen's headers. For every struct and constant of `abi` it prints a line:
 *
 *     size start_info 1168
 *     field start_info.store_mfn 56 8 u            offset, size, signedness (- when it has none)
 *     constant EVTCHNOP_send 4
 */
import type { Struct } from '@port-xen/layout';

/** What there is to be asked about. */
export interface Exports {
  readonly structs: Readonly<Record<string, Struct>>;
  readonly constants: Readonly<Record<string, number>>;
}

/** Types that C declares as unions. */
const UNIONS: ReadonlySet<string> = new Set([
  'grant_entry_v2',
  'blkif_sring_entry',
  'netif_tx_sring_entry',
  'netif_rx_sring_entry',
  'xen_add_to_physmap_batch_extra',
]);

/** Structs that C has only within others: where to find them. */
const WITHIN: Readonly<Record<string, string>> = {
  gnttab_copy_ptr: '__typeof__(((struct gnttab_copy *)0)->source)',
  xen_add_to_physmap_batch_extra: '__typeof__(((struct xen_add_to_physmap_batch *)0)->u)',
};

const HEADERS = [
  'stdio.h',
  'stddef.h',
  'stdint.h',
  'elf.h',
  'xen/xen.h',
  'xen/arch-x86/cpuid.h',
  'xen/callback.h',
  'xen/domctl.h',
  'xen/elfnote.h',
  'xen/errno.h',
  'xen/event_channel.h',
  'xen/features.h',
  'xen/grant_table.h',
  'xen/memory.h',
  'xen/nmi.h',
  'xen/physdev.h',
  'xen/sched.h',
  'xen/sysctl.h',
  'xen/vcpu.h',
  'xen/version.h',
  'xen/hvm/save.h',
  'xen/io/blkif.h',
  'xen/io/console.h',
  'xen/io/netif.h',
  'xen/io/xenbus.h',
  'xen/io/xs_wire.h',
];

/** The C type of a struct of `abi`: elf.h has typedefs only. */
const typeOf = (name: string): string => {
  if (name.startsWith('Elf64_')) return name;
  return WITHIN[name] ?? `${UNIONS.has(name) ? 'union' : 'struct'} ${name}`;
};

/** A field's name in C: where a view's own name is taken, ours ends with an underscore. */
const fieldOf = (name: string): string => name.replace(/^(address|memory)_$/, '$1');

/** Every field of a struct, those of unnamed structs within it with a path. */
export const fieldPaths = (
  struct: Struct,
): { path: string; offset: number; size: number; sign: string }[] =>
  Object.entries(struct.fields as Record<string, { size: number; kind: string }>).flatMap(
    ([name, field]) => {
      const offset = (struct.offset as Record<string, number>)[name] as number;
      const { kind } = field;
      const code = kind === 'scalar' ? (field as unknown as { code: string }).code : undefined;
      const own = {
        path: fieldOf(name),
        offset,
        size: field.size,
        sign: code === undefined ? '-' : (code[0] as string),
      };
      if (kind !== 'nested') return [own];
      const inner = fieldPaths((field as unknown as { struct: Struct }).struct);
      return [
        own,
        ...inner.map((f) => ({ ...f, path: `${own.path}.${f.path}`, offset: offset + f.offset })),
      ];
    },
  );

/**
 * Whether signedness can be asked of a field: pointers have none in C, and a 64-bit word that is a frame number or an address
 * is signed here so that all ones is -1, whatever C says.
 */
export const signIsAsked = (field: { sign: string; size: number }): boolean =>
  field.sign !== '-' && field.size < 8;

/** The program's source. */
export const cProgram = ({ structs, constants }: Exports): string => {
  const lines: string[] = [];
  for (const [name, struct] of Object.entries(structs)) {
    const type = typeOf(name);
    lines.push(`printf("size ${name} %zu\\n", sizeof(${type}));`);
    for (const field of fieldPaths(struct)) {
      const member = `((${type} *)0)->${field.path}`;
      const sign = signIsAsked(field)
        ? `((__typeof__(${member}))-1 < 0 ? "i" : "u")`
        : `"${field.sign}"`;
      lines.push(
        `printf("field ${name}.${field.path} %zu %zu %s\\n", offsetof(${type}, ${field.path}), sizeof(${member}), ${sign});`,
      );
    }
  }
  for (const name of Object.keys(constants)) {
    lines.push(`printf("constant ${name} %lld\\n", (long long)(${name}));`);
  }
  return [
    '#define __XEN_TOOLS__ 1',
    ...HEADERS.map((header) => `#include <${header}>`),
    'int main(void) {',
    ...lines,
    'return 0;',
    '}',
    '',
  ].join('\n');
};
