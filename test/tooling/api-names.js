// @ts-check
import { Converter, ReflectionKind } from 'typedoc';

/**
 * Names the modules of the API reference as they are imported: `core/src` becomes `@foundation-ts/core`.
 * @param {import('typedoc').Application} app
 */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
    if (!reflection.kindOf(ReflectionKind.Module)) return;
    const [folder = '', subpath] = reflection.name.split(/\/src\/?/);
    const name = folder === 'foundation' ? 'foundation-ts' : `@foundation-ts/${folder}`;
    reflection.name = subpath === undefined || subpath === '' ? name : `${name}/${subpath}`;
  });
}
