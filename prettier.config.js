/**
 * Formats wasm-core/assembly, which Biome cannot parse: AssemblyScript has decorators on functions. The plug-in hides
 * them from the TypeScript parser as comments; its own printing of those puts a blank line before each, so that part is
 * replaced.
 */
import assemblyscript from "assemblyscript-prettier";

const MAGIC = "MAGIC_ASSEMBLYSCRIPT_PRETTIER_1996";
const printer = assemblyscript.printers["as-estree"];

function printComment(path, options) {
  const { value } = path.node;
  if (!value.startsWith(MAGIC) || !value.endsWith(MAGIC)) return printer.printComment(path, options);
  return value.slice(MAGIC.length, -MAGIC.length);
}

export default {
  plugins: [{ ...assemblyscript, printers: { "as-estree": { ...printer, printComment } } }],
  printWidth: 120,
};
