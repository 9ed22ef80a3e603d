/**
 * Waking the event loop of the network thread from another thread.
 *
 * The table is the only state that threads share: a worker holds a handle, not a pointer, so that a wake that comes after
 * close() finds another generation and does nothing. Wakes that come before the callback ran are one callback.
 */
#pragma once
#include <atomic>
#include <mutex>

#include "arguments.h"

static const uint32_t kWakers = 256;

struct WakerEntry {
  std::mutex mutex;  // guards function and generation; a wake takes it only when none is pending
  napi_threadsafe_function function = nullptr;
  std::atomic<uint32_t> generation{0};
  std::atomic<bool> pending{false};
};

static WakerEntry g_wakers[kWakers];
static std::mutex g_wakersMutex;

static inline uint64_t wakerHandle(uint32_t index, uint32_t generation) { return (static_cast<uint64_t>(generation) << 32) | index; }

/** On the thread that opened the waker. */
static void wakerCalled(napi_env env, napi_value callback, void* context, void*) {
  if (env == nullptr || callback == nullptr) return;  // the environment ends
  // Cleared before the callback looks for work: work published later asks for the next callback.
  static_cast<WakerEntry*>(context)->pending.store(false);
  napi_value self, thrown;
  napi_get_undefined(env, &self);
  if (napi_call_function(env, self, callback, 0, nullptr, nullptr) != napi_pending_exception) return;
  // Without this Node only warns (DEP0168) and goes on.
  if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) napi_fatal_exception(env, thrown);
}

/** The function is gone: by close(), or because the thread ended without it. */
static void wakerFinalized(napi_env, void* generation, void* context) {
  WakerEntry* entry = static_cast<WakerEntry*>(context);
  std::lock_guard<std::mutex> guard(entry->mutex);
  if (entry->generation.load() != static_cast<uint32_t>(reinterpret_cast<uintptr_t>(generation))) return;
  entry->function = nullptr;
  entry->generation.fetch_add(1);
}

/** openWaker(callback): bigint handle, or 0n when the table is full. Does not keep the process alive. */
static napi_value openWaker(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  napi_valuetype type = napi_undefined;
  if (args.count < 1 || napi_typeof(env, args.values[0], &type) != napi_ok || type != napi_function) {
    args.fail("callback must be a function");
    return nullptr;
  }
  napi_value name, result = nullptr;
  napi_create_string_utf8(env, "basalt.wake", NAPI_AUTO_LENGTH, &name);
  std::lock_guard<std::mutex> table(g_wakersMutex);
  for (uint32_t index = 0; index < kWakers; index++) {
    WakerEntry* entry = &g_wakers[index];
    std::lock_guard<std::mutex> guard(entry->mutex);
    if (entry->function != nullptr) continue;
    uint32_t generation = entry->generation.fetch_add(1) + 1;
    void* mark = reinterpret_cast<void*>(static_cast<uintptr_t>(generation));
    if (napi_create_threadsafe_function(env, args.values[0], nullptr, name, 0, 1, mark, wakerFinalized, entry, wakerCalled,
                                        &entry->function) != napi_ok) {
      entry->function = nullptr;
      napi_throw_error(env, nullptr, "napi_create_threadsafe_function failed");
      return nullptr;
    }
    entry->pending.store(false);
    napi_unref_threadsafe_function(env, entry->function);
    napi_create_bigint_uint64(env, wakerHandle(index, generation), &result);
    return result;
  }
  napi_create_bigint_uint64(env, 0, &result);
  return result;
}

static bool wakerOf(Arguments* args, WakerEntry** entry, uint32_t* generation) {
  uint64_t handle = 0;
  bool lossless = false;
  if (args->count < 1 || napi_get_value_bigint_uint64(args->env, args->values[0], &handle, &lossless) != napi_ok) {
    return args->fail("handle must be a bigint");
  }
  uint32_t index = static_cast<uint32_t>(handle);
  if (!lossless || index >= kWakers) return args->fail("handle is not one of openWaker()");
  *entry = &g_wakers[index];
  *generation = static_cast<uint32_t>(handle >> 32);
  return true;
}

/** closeWaker(handle): later wakes do nothing. */
static napi_value closeWaker(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  WakerEntry* entry;
  uint32_t generation;
  if (!wakerOf(&args, &entry, &generation)) return nullptr;
  napi_threadsafe_function function = nullptr;
  {
    std::lock_guard<std::mutex> guard(entry->mutex);
    if (entry->generation.load() != generation || entry->function == nullptr) return nullptr;
    function = entry->function;
    entry->function = nullptr;
    entry->generation.fetch_add(1);
  }
  napi_release_threadsafe_function(function, napi_tsfn_abort);
  return nullptr;
}

/** wake(handle), from any thread. */
static napi_value wake(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  WakerEntry* entry;
  uint32_t generation;
  if (!wakerOf(&args, &entry, &generation)) return nullptr;
  if (entry->generation.load() != generation || entry->pending.exchange(true)) return nullptr;
  std::lock_guard<std::mutex> guard(entry->mutex);
  // If the entry has a new owner by now, it gets the callback: somebody may have counted on the flag set above.
  if (entry->function == nullptr) {
    entry->pending.store(false);
  } else {
    napi_call_threadsafe_function(entry->function, nullptr, napi_tsfn_nonblocking);
  }
  return nullptr;
}
