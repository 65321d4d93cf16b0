import { ToolstackError } from './toolstack-error.ts';

/**
 * One object of a JSON text that may be hostile: each member is read as the kind it must have.
 *
 * All methods throw a ToolstackError that names the member by its path.
 */
export class JsonReader {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ToolstackError(`expected ${path} to be an object, found ${shown(value)}`);
    }
    this.#value = value as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  /** The member `key`, an object; an empty one if it is missing. */
  object(key: string): JsonReader {
    return new JsonReader(this.#get(key) ?? {}, this.#name(key));
  }

  objects(key: string): JsonReader[] {
    return this.#list(key).map((item, i) => new JsonReader(item, `${this.#name(key)}[${i}]`));
  }

  /** Characters are counted in UTF-16, NUL is refused. */
  text(key: string, maxLength: number): string | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (typeof value === 'string' && value.length <= maxLength && !value.includes('\0'))
      return value;
    return this.wrong(key, `a string of at most ${maxLength} characters`);
  }

  integer(key: string, low: number, high: number): number | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (isIntegerWithin(value, low, high)) return value;
    return this.wrong(key, `an integer within [${low}, ${high}]`);
  }

  integers(key: string, low: number, high: number): number[] {
    return this.#list(key).map((item) => {
      if (isIntegerWithin(item, low, high)) return item;
      return this.wrong(key, `a list of integers within [${low}, ${high}]`);
    });
  }

  /** A libxl integer used as a truth value, a JSON one, or a defbool string. */
  truth(key: string): boolean | undefined {
    const value = this.#get(key);
    if (value === undefined || value === '<default>') return undefined;
    if (value === true || value === 'True' || value === 1) return true;
    if (value === false || value === 'False' || value === 0) return false;
    return this.wrong(key, 'true or false');
  }

  oneOf<T extends string>(key: string, allowed: readonly T[]): T | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    const found = allowed.find((one) => one === value);
    return found ?? this.wrong(key, `one of ${allowed.join(', ')}`);
  }

  wrong(key: string, expected: string): never {
    throw new ToolstackError(
      `expected ${this.#name(key)} to be ${expected}, found ${shown(this.#get(key))}`,
    );
  }

  #list(key: string): readonly unknown[] {
    const value = this.#get(key) ?? [];
    if (Array.isArray(value) && value.length <= 1024) return value;
    return this.wrong(key, 'a list of at most 1024 elements');
  }

  #get(key: string): unknown {
    return Object.hasOwn(this.#value, key) ? this.#value[key] : undefined;
  }

  #name(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}

const isIntegerWithin = (value: unknown, low: number, high: number): value is number =>
  Number.isInteger(value) && (value as number) >= low && (value as number) <= high;

/** As JSON, unless it is nested more deeply than can be written. */
const textOf = (value: unknown): string => {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return 'lists and objects without end';
    throw error;
  }
};

const shown = (value: unknown): string => {
  if (value === undefined) return 'none';
  const text = textOf(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};
