// cp.async: copies wait in a queue of their thread until the thread waits for their group.
#include <cstdlib>
#include <cstring>

#include "block.hpp"

namespace simulator {
namespace {

template <class T>
void append(T*& items, unsigned& count, unsigned& capacity, const T& item) {
  if (count == capacity) {
    capacity = capacity ? 2 * capacity : 16;
    items = static_cast<T*>(std::realloc(static_cast<void*>(items), capacity * sizeof(T)));
  }
  items[count++] = item;
}

}  // namespace

void async_copy(void* shared, const void* global, unsigned bytes, unsigned valid_bytes) {
  checker::suspend();
  Thread& thread = self();
  Copy copy = {shared, global, bytes, valid_bytes, __builtin_return_address(0)};
  checker::copy_started(thread, copy);
  CopyQueue& queue = thread.block->copies[thread.rank];
  append(queue.copies, queue.count, queue.capacity, copy);
  checker::resume();
}

void async_commit() {
  checker::suspend();
  Thread& thread = self();
  CopyQueue& queue = thread.block->copies[thread.rank];
  append(queue.groups, queue.group_count, queue.group_capacity, queue.count - queue.committed);
  queue.committed = queue.count;
  checker::resume();
}

void async_wait(unsigned pending_groups) {
  checker::suspend();
  Thread& thread = self();
  CopyQueue& queue = thread.block->copies[thread.rank];
  unsigned groups = queue.group_count > pending_groups ? queue.group_count - pending_groups : 0;
  unsigned landed = 0;
  for (unsigned group = 0; group < groups; ++group) landed += queue.groups[group];
  for (unsigned i = 0; i < landed; ++i) {
    const Copy& copy = queue.copies[i];
    std::memcpy(copy.shared, copy.global, copy.valid_bytes);
    std::memset(static_cast<char*>(copy.shared) + copy.valid_bytes, 0,
                copy.bytes - copy.valid_bytes);
    checker::copy_landed(thread, copy);
  }
  queue.count -= landed;
  queue.committed -= landed;
  queue.group_count -= groups;
  std::memmove(static_cast<void*>(queue.copies), queue.copies + landed, queue.count * sizeof(Copy));
  std::memmove(queue.groups, queue.groups + groups, queue.group_count * sizeof(unsigned));
  checker::resume();
}

}  // namespace simulator
