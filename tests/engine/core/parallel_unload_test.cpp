// A host opens a library that holds linnet, uses it and closes it while the workers are idle: they
// end before their code goes. This program holds no linnet of its own.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace {

class Library {
 public:
  Library() : handle_(dlopen(LINNET_UNLOAD_LIBRARY, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) ADD_FAILURE() << dlerror();
  }
  ~Library() { EXPECT_EQ(dlclose(handle_), 0); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  template <class Result>
  Result call(const char* name) const {
    return reinterpret_cast<Result (*)()>(dlsym(handle_, name))();
  }

 private:
  void* handle_;
};

bool mapped() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(std::filesystem::path(LINNET_UNLOAD_LIBRARY).filename()) != std::string::npos) {
      return true;
    }
  }
  return false;
}

int threads_of_process() {
  // ThreadSanitizer starts one of its own with the first of ours.
  static const bool warm = [] { return std::thread([] {}).join(), true; }();
  int n = warm ? 0 : -1;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    n += entry.is_directory() ? 1 : 0;
  }
  return n;
}

// Workers that wait actively at first, then ones that sleep.
void pause_before_closing(int repeat) {
  if (repeat % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void expect_gone(int threads) {
  EXPECT_FALSE(mapped());
  for (int i = 0; i < 2000 && threads_of_process() > threads; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(threads_of_process(), threads);
}

TEST(ParallelUnload, AfterTheSessionIsGone) {
  const int before = threads_of_process();
  for (int repeat = 0; repeat < 20; ++repeat) {
    {
      const Library library;
      ASSERT_TRUE(mapped());
      EXPECT_EQ(library.call<std::int64_t>("use"), 435);
      pause_before_closing(repeat);
    }
    expect_gone(before);
  }
}

TEST(ParallelUnload, WithASessionThatTheHostHasForgotten) {
  static std::array<void*, 20> forgotten;  // still known, so that it is no leak
  const int before = threads_of_process();
  for (int repeat = 0; repeat < 20; ++repeat) {
    {
      const Library library;
      void*& threads = forgotten[static_cast<std::size_t>(repeat)];
      threads = library.call<void*>("use_and_forget");
      ASSERT_NE(threads, nullptr);
      EXPECT_EQ(threads_of_process(), before + 2);
      pause_before_closing(repeat);
    }
    expect_gone(before);
  }
}

TEST(ParallelUnload, WithASessionThatTheLibraryKeeps) {
  const int before = threads_of_process();
  for (int repeat = 0; repeat < 20; ++repeat) {
    {
      const Library library;
      EXPECT_EQ(library.call<std::int64_t>("use_and_keep"), 435);
      pause_before_closing(repeat);
    }
    expect_gone(before);
  }
}

}  // namespace
