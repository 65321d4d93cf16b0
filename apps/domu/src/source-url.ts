const PACKAGES = new URL('../../../packages/', import.meta.url).href;
const PACKAGE = /^@port-xen\/([a-z0-9-]+)$/;

/**
 * Where the source is that a source file of this repository imports: `./name.ts` beside it, `@port-xen/name` in its folder.
 * @param from the URL of the file that imports
 * @returns undefined for what is not a source of this repository
 */
export const sourceUrl = (specifier: string, from: string): string | undefined => {
  if (specifier.startsWith('.')) {
    return specifier.endsWith('.ts') ? new URL(specifier, from).href : undefined;
  }
  const name = PACKAGE.exec(specifier)?.[1];
  return name === undefined ? undefined : `${PACKAGES}${name}/src/index.ts`;
};
