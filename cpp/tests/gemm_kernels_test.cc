// Every kernel of fully connected layers, for every instruction set this CPU runs, against plain loops; and
// how exactly 16-bit storage keeps a weight.
#include <cstdio>
#include <string>

#include "kernels/registry.h"
#include "tests/values.h"

namespace zeroskip {
namespace {

using namespace testing;

constexpr int64_t kRowCounts[] = {0, 1, 2, 7, 8, 9, 25};  // around the 8 rows of one pass

class Checker {
 public:
  Checker(Isa isa, int64_t lanes) : isa_(isa), lanes_(lanes) {}

  void operator()(const char* name, NonzeroListFn kernel) {
    for (double sparsity : {0.0, 0.5, 1.0})
      for (int64_t count : {0, 1, 15, 16, 100}) {
        const Floats x = random_.values(static_cast<size_t>(count), sparsity);
        std::vector<int32_t> indices(x.size());
        Floats values(x.size()), want;
        const int64_t found = kernel(x.data(), count, indices.data(), values.data());
        bool ok = true;
        for (size_t i = 0; i < x.size(); ++i)
          if (x[i] != 0.0f) {
            ok = ok && want.size() < static_cast<size_t>(found) &&
                 indices[want.size()] == static_cast<int32_t>(i) && values[want.size()] == x[i];
            want.push_back(x[i]);
          }
        report(name, ok && static_cast<size_t>(found) == want.size(), count);
      }
  }

  void operator()(const char* name, RowAxpyFn kernel) {
    constexpr int64_t kRows = 40, kStride = 160;
    for (int64_t count : kRowCounts)
      for (int64_t blocks : {2, 4, 10}) {
        const StoredWeights weights(random_.values(kRows * kStride), storage_of(name), lanes_);
        const Floats values = random_.values(static_cast<size_t>(count));
        std::vector<int32_t> indices;
        for (int64_t i = 0; i < count; ++i) indices.push_back(static_cast<int32_t>(i * 7 % kRows));
        Floats y = random_.values(static_cast<size_t>(blocks * 16)), want = y;
        for (size_t o = 0; o < want.size(); ++o) {
          double sum = want[o];
          for (size_t i = 0; i < values.size(); ++i)
            sum += static_cast<double>(values[i]) *
                   weights.floats()[static_cast<size_t>(indices[i]) * kStride + o];
          want[o] = static_cast<float>(sum);
        }
        kernel({count, indices.data(), values.data(), weights.stored(), kStride, blocks, y.data()});
        report(name, close(y, want), count);
      }
  }

  void operator()(const char* name, GemmFn kernel) {
    for (int64_t rows : {0, 1, 5, 6, 7, 12, 13})
      for (int64_t depth : {0, 1, 17})
        for (int64_t blocks : {1, 2, 3}) {
          const int64_t columns = blocks * 16;
          const Floats a = random_.values(static_cast<size_t>(rows * depth)),
                       b = random_.values(static_cast<size_t>(depth * columns));
          Floats c = random_.values(static_cast<size_t>(rows * columns)), want = c;
          for (int64_t m = 0; m < rows; ++m)
            for (int64_t n = 0; n < columns; ++n) {
              double sum = want[static_cast<size_t>(m * columns + n)];
              for (int64_t k = 0; k < depth; ++k)
                sum += static_cast<double>(a[static_cast<size_t>(m * depth + k)]) *
                       b[static_cast<size_t>(k * columns + n)];
              want[static_cast<size_t>(m * columns + n)] = static_cast<float>(sum);
            }
          kernel({rows, depth, blocks, a.data(), depth, b.data(), columns, c.data(), columns});
          report(name, close(c, want), rows);
        }
  }

  void operator()(const char* name, PackRowsFn kernel) {
    constexpr int64_t kStride = 96, kToStride = 128;
    for (int64_t rows : {0, 1, 9})
      for (int64_t blocks : {1, 2, 3, 6}) {
        const StoredWeights weights(random_.values(static_cast<size_t>(rows * kStride)), storage_of(name),
                                    lanes_);
        Floats to(static_cast<size_t>(rows * kToStride)), want = to;
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t o = 0; o < blocks * 16; ++o)
            want[static_cast<size_t>(r * kToStride + o)] =
                weights.floats()[static_cast<size_t>(r * kStride + o)];
        kernel({rows, blocks, weights.stored(), kStride, to.data(), kToStride});
        for (int64_t r = 0; r < rows; ++r)  // what follows an odd last block is unspecified
          for (int64_t o = blocks * 16; o < kToStride; ++o) to[static_cast<size_t>(r * kToStride + o)] = 0.0f;
        report(name, to == want, rows);
      }
  }

  int checks() const { return checks_; }
  int failures() const { return failures_; }

 private:
  void report(const char* name, bool ok, int64_t size) {
    ++checks_;
    if (ok) return;
    ++failures_;
    std::printf("MISMATCH %s__%s size %ld\n", name, isa_name(isa_), static_cast<long>(size));
  }

  Isa isa_;
  int64_t lanes_;
  Random random_;
  int checks_ = 0, failures_ = 0;
};

// Largest error of storing weights of one magnitude, relative to the magnitude.
float storage_error(DataType storage, int64_t lanes, float magnitude) {
  Floats values = Random().values(4096);
  for (float& value : values) value *= magnitude;
  const StoredWeights weights(values, storage, lanes);
  float worst = 0.0f;
  for (size_t i = 0; i < values.size(); ++i)
    worst = std::max(worst, std::fabs(weights.floats()[i] - values[i]) / std::fabs(values[i]));
  return worst;
}

// Half a unit in the last place, of 8 and of 11 bits; a little more where one half of a lane disturbs the
// other.
int check_storage() {
  int failures = 0;
  for (int64_t lanes : {4, 8, 16})
    for (float magnitude : {1e-2f, 1.0f, 1e3f}) {
      const bool bf16 = storage_error(DataType::kBf16, lanes, magnitude) <= 0x1.01p-8f;
      // The smallest of many normal numbers are subnormal halves, of less precision, at 1e-2.
      const bool fp16 = magnitude < 1 || storage_error(DataType::kFp16, lanes, magnitude) <= 0x1p-11f;
      if (!bf16 || !fp16)
        std::printf("MISMATCH storage of weights around %g\n", static_cast<double>(magnitude));
      failures += !bf16 + !fp16;
    }
  return failures;
}

}  // namespace
}  // namespace zeroskip

int main() {
  using namespace zeroskip;
  int failures = check_storage();
  failures += testing::check_every_isa([](const KernelTable& table) {
    Checker checker(table.isa, table.lanes);
#define ZS_KERNEL(kind, input, weight, accumulator, output, rows, columns, isa, type, name) \
  if (table.name) checker(#name, table.name);
#include "kernels/list/gemm.inc"
#undef ZS_KERNEL
    return checker;
  });
  return failures ? 1 : 0;
}
