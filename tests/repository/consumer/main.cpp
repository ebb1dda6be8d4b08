// How near are the meanings of two sentences? consumer MODEL_DIR TEXT TEXT
#include <cstdio>
#include <numeric>
#include <string_view>
#include <vector>

#include "engine/tasks/embedder.h"

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    const linnet::EmbeddingModel model =
        linnet::load_embedding_model(argv[1], {.isa = linnet::choose_isa()});
    linnet::Embedder embedder(model, {.threads = 2});

    const std::vector<std::string_view> texts{argv[2], argv[3]};
    const std::int64_t D = model.dimensions();
    std::vector<float> y(2 * static_cast<std::size_t>(D));
    embedder.embed(texts, {.data = y.data(), .rows = 2, .cols = D, .ld = D});

    // The model normalises its embeddings: their dot product is the cosine.
    std::printf("%.4f\n", std::inner_product(y.begin(), y.begin() + D, y.begin() + D, 0.0f));
  } catch (const linnet::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
