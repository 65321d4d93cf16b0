/*
 * A node's permissions are a list. The first entry names the owner, who may do anything, and, with its letter, what
 * everybody else may do; each further entry gives one domain its own rights. Dom0 may do anything anywhere.
 */

/** n none, r read, w write, b both. */
export type Access = 'n' | 'r' | 'w' | 'b';

/** One entry of a node's permissions. */
export interface Permission {
  readonly domid: number;
  readonly access: Access;
  /** Meant a domain that is gone, or was not there: shown, but of no effect for the next of that number. */
  readonly stale?: true;
}

/** At least one entry; the first is the owner with the default for everybody else. */
export type Permissions = readonly Permission[];

export const MAY_READ = 1;
export const MAY_WRITE = 2;
export const MAY_OWN = 4;
const MAY_ALL = 7;

const RIGHTS: Readonly<Record<Access, number>> = { n: 0, r: 1, w: 2, b: 3 };

/** Whose rights are asked for. */
export interface Subject {
  readonly domid: number;
  readonly privileged: boolean;
  /** The domain on whose behalf it acts besides its own (SET_TARGET). */
  readonly target: number | undefined;
}

/** What `subject` may do: MAY_READ, MAY_WRITE and MAY_OWN, added up. */
export const rightsOf = (subject: Subject, permissions: Permissions): number => {
  const first = permissions[0] as Permission;
  const { domid, target } = subject;
  if (subject.privileged || first.domid === domid || first.domid === target) return MAY_ALL;
  for (let i = 1; i < permissions.length; i++) {
    const entry = permissions[i] as Permission;
    if (entry.stale !== true && (entry.domid === domid || entry.domid === target)) {
      return RIGHTS[entry.access];
    }
  }
  return RIGHTS[first.access];
};

/** An entry as the wire spells it: `r5`. */
export const permissionText = (entry: Permission): string => `${entry.access}${entry.domid}`;

/** An entry from its spelling on the wire; undefined when it is not one. */
export const parsePermission = (text: string): Permission | undefined => {
  const access = text[0];
  if (access !== 'n' && access !== 'r' && access !== 'w' && access !== 'b') return undefined;
  if (!/^(?:\d{1,5}|0x[\da-f]{1,4})$/i.test(text.slice(1))) return undefined;
  const domid = Number(text.slice(1));
  return domid <= 0xffff ? { domid, access } : undefined;
};
