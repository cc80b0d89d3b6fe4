/** How many items a streamed list puts into one message, as CRI-O does. */
const CHUNK = 3000;

/** Cuts a list into messages; an empty list is one empty message less. */
export async function* chunks<Item, Message>(
  items: readonly Item[] | Promise<readonly Item[]>,
  message: (items: readonly Item[]) => Message,
): AsyncGenerator<Message> {
  const all = await items;
  for (let start = 0; start < all.length; start += CHUNK) {
    yield message(all.slice(start, start + CHUNK));
  }
}
