// Threads meeting in the core: loops of the pool from several threads, runs of one program at once, programs
// built at once that share their packed weights. Results are those of a single thread; ThreadSanitizer
// watches the rest
// (.ci/sanitize thread).
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "runtime/program.h"

namespace zeroskip {
namespace {

constexpr int kThreads = 6;

int failures = 0;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "FAILED: %s\n", what);
  ++failures;
}

template <typename Body>
void run_threads(int count, const Body& body) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < count; ++thread) threads.emplace_back([&body, thread] { body(thread); });
  for (std::thread& thread : threads) thread.join();
}

// Every task of every loop is done exactly once, by a thread index below the limit, before the loop returns.
void test_pool(int loops) {
  std::atomic<int> wrong{0};
  run_threads(kThreads, [&](int caller) {
    for (int loop = 0; loop < loops; ++loop) {
      const int num_threads = 1 + (loop + caller) % 4;
      const int64_t tasks = loop % 37;
      std::vector<int> done(static_cast<size_t>(tasks), 0);  // plain: tasks are handed out once
      parallel_for(num_threads, tasks, [&](int64_t task, int thread) {
        if (thread < 0 || thread >= num_threads) ++wrong;
        ++done[static_cast<size_t>(task)];
      });
      for (const int count : done) wrong += count != 1;
    }
  });
  expect(wrong == 0, "a loop of the pool did each of its tasks once");
}

constexpr int64_t kChannels = 32, kExtent = 12, kOutputs = 48;

TensorSpec nhwc(const char* name, int64_t channels, bool masked, int64_t& arena_bytes) {
  TensorSpec tensor{.name = name, .shape = {1, channels, kExtent, kExtent}, .layout = Layout::kNhwc};
  tensor.pixel_stride = channels;
  tensor.offset = arena_bytes;
  arena_bytes += round_up(tensor.bytes(), 64);
  tensor.masked = masked;
  if (masked) {
    tensor.mask_offset = arena_bytes;
    arena_bytes += round_up(tensor.mask_bytes(), 64);
  }
  return tensor;
}

// x -> to_nhwc -> 3x3 convolution with ReLU -> to_row -> y.
std::unique_ptr<Program> make_program(int num_threads, const std::vector<float>& weight,
                                      const std::vector<float>& thresholds, WeightStore& store) {
  ProgramSpec spec;
  spec.num_threads = num_threads;
  spec.tensors.push_back({.name = "x", .shape = {1, kChannels, kExtent, kExtent}});
  spec.tensors.push_back(nhwc("a", kChannels, true, spec.arena_bytes));
  spec.tensors.push_back(nhwc("b", kOutputs, true, spec.arena_bytes));
  spec.tensors.push_back({.name = "y", .shape = {1, kOutputs, kExtent, kExtent}});
  spec.inputs = {0};
  spec.outputs = {3};
  const std::vector<int64_t> ones = {1, 1}, threes = {3, 3}, pads = {1, 1, 1, 1};
  StepSpec conv{
      .op = "conv", .name = "conv", .inputs = {1}, .outputs = {2}, .attributes = {}, .constants = {}};
  conv.attributes = {{"kernel", threes},
                     {"strides", ones},
                     {"pads", pads},
                     {"dilations", ones},
                     {"activation", std::string("fatrelu")}};
  conv.constants["weight"] = {.shape = {kOutputs, kChannels, 3, 3}, .values = weight, .name = "w"};
  conv.constants["thresholds"] = {.shape = {kOutputs}, .values = thresholds, .name = "t"};
  spec.steps.push_back(
      {.op = "to_nhwc", .name = "in", .inputs = {0}, .outputs = {1}, .attributes = {}, .constants = {}});
  spec.steps.push_back(std::move(conv));
  spec.steps.push_back(
      {.op = "to_row", .name = "out", .inputs = {2}, .outputs = {3}, .attributes = {}, .constants = {}});
  return std::make_unique<Program>(std::move(spec), store);
}

std::vector<float> random_values(size_t count, unsigned seed, bool sparse) {
  std::vector<float> values(count);
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / static_cast<float>(1 << 24) - 0.5f;
    if (sparse && value < 0.2f) value = 0.0f;
  }
  return values;
}

std::vector<float> run(const Program& program, const std::vector<float>& x) {
  std::vector<float> y(static_cast<size_t>(program.output_spec(0).elements()));
  const ConstArray input{.data = reinterpret_cast<const std::byte*>(x.data()),
                         .dtype = DataType::kFloat32,
                         .shape = program.input_spec(0).shape};
  std::byte* const outputs[] = {reinterpret_cast<std::byte*>(y.data())};
  program.run({&input, 1}, outputs);
  return y;
}

void test_programs(int rounds) {
  const auto weight = random_values(kOutputs * kChannels * 9, 1, false);
  const std::vector<float> thresholds(kOutputs, 0.1f);
  std::vector<std::vector<float>> inputs, expected;
  WeightStore serial;
  const auto reference = make_program(1, weight, thresholds, serial);
  for (unsigned seed = 0; seed < kThreads; ++seed) {
    inputs.push_back(random_values(kChannels * kExtent * kExtent, seed + 2, true));
    expected.push_back(run(*reference, inputs.back()));
  }
  std::atomic<int> wrong{0};
  for (int round = 0; round < rounds; ++round) {
    WeightStore shared;
    const auto common = make_program(1 + round % 3, weight, thresholds, shared);
    run_threads(kThreads, [&](int thread) {
      const auto index = static_cast<size_t>(thread);
      const auto own = make_program(1 + thread % 3, weight, thresholds, shared);
      for (int i = 0; i < 8; ++i) {
        const Program& program = i % 2 ? *own : *common;
        wrong += run(program, inputs[index]) != expected[index];
      }
    });
  }
  expect(wrong == 0, "runs at once give what runs one after the other give");
}

}  // namespace
}  // namespace zeroskip

int main(int argc, char** argv) {
  const int scale = argc > 1 ? std::atoi(argv[1]) : 1;
  zeroskip::test_pool(400 * scale);
  zeroskip::test_programs(4 * scale);
  if (zeroskip::failures == 0) std::printf("threads: ok\n");
  return zeroskip::failures == 0 ? 0 : 1;
}
